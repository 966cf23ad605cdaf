"""Variational mixture of posteriors (VampPrior)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.distributions import Distribution

from prioria.distributions import Mixture
from prioria.priors.base import Prior
from prioria.priors.centers import centers

UNIT = (0.0, 1.0)


class VampPrior(Prior):
    r"""p(z) = (1/K) sum_k q(z | u_k), with learned pseudo-inputs u_k (Tomczak and Welling, 2018, eq. 9).

    The gradient reaches the pseudo-inputs, and the encoder through the components too. With ``trainable=False`` and
    rows of training data as ``pseudo_inputs`` it is the paper's "VampPrior data".

    The encoder and the posterior are the model's own objects, held without registering them a second time; ``VAE``
    raises if they are not.

    Args:
        encoder: the model's encoder (of the top group).
        posterior: the model's posterior (of the top group); diagonal Gaussian or Bernoulli.
        components: K.
        inputs: width of x; needed unless ``pseudo_inputs`` is given.
        pseudo_inputs: starting values (K, inputs), for instance training rows; within ``bounds``.
        trainable: learn the pseudo-inputs.
        bounds: range that pseudo-inputs are clamped to, that of the data; None for unbounded data. "data": 0 to 1,
            until a training begins on rows that leave this range: then None, and starting values that were left out
            are between these rows.
        group: the name of the top group, where the encoder returns features of all groups in a dict.
        initial: mean and standard deviation of the starting values, (0.05, 0.01) in the paper's code for MNIST.

    Raises:
        ValueError: the posterior is a flow; neither or both of ``inputs`` and ``pseudo_inputs`` are given,
            ``components`` does not fit, or ``pseudo_inputs`` are not within ``bounds``.

    Example:
        >>> from prioria import nets, posteriors
        >>> encoder, posterior = nets.GatedMLP(6, 4, gated_output=True), posteriors.Gaussian(4, 2)
        >>> VampPrior(encoder, posterior, components=3, inputs=6)().log_prob(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        encoder: nn.Module,
        posterior: nn.Module,
        *,
        components: int = 500,
        inputs: int | None = None,
        pseudo_inputs: Tensor | None = None,
        trainable: bool = True,
        bounds: tuple[float, float] | Literal["data"] | None = "data",
        group: str | None = None,
        initial: tuple[float, float] = (0.05, 0.01),
    ) -> None:
        super().__init__()
        if getattr(posterior, "own_draws_only", False):
            raise ValueError(
                f"posterior={type(posterior).__name__} cannot be a VampPrior's: every component would have to invert a "
                "flow at every z; use posteriors.Gaussian, or another prior such as RealNVP"
            )
        if (inputs is None) == (pseudo_inputs is None):
            raise ValueError(
                f"inputs={inputs} and pseudo_inputs: give exactly one, the width of x or the starting rows"
            )
        if components < 1:
            raise ValueError(f"components={components} must be positive")
        self.follows, self.starts = bounds == "data", pseudo_inputs is None
        bounds = UNIT if bounds == "data" else bounds
        if pseudo_inputs is None:
            pseudo_inputs = initial[0] + initial[1] * torch.randn(components, inputs or 0)
        elif bounds is not None:
            _check_within(bounds, pseudo_inputs)
        if len(pseudo_inputs) != components:
            raise ValueError(
                f"components={components} but pseudo_inputs has {len(pseudo_inputs)} rows; make them equal"
            )
        self.shared = (encoder, posterior)  # a tuple: not registered, the model owns both
        self.pseudo_inputs = nn.Parameter(pseudo_inputs.clone().float(), requires_grad=trainable)
        self.bounds, self.group = bounds, group
        # known before a step is compiled, which a number read from a tensor would cut in two
        self.beyond = (0.0, 0.0) if bounds is None else _beyond(bounds)

    def forward(self, context: Tensor | None = None) -> Distribution:
        encoder, posterior = self.shared
        features = encoder(self.clamped())
        return Mixture(posterior(features if self.group is None else features[self.group]))

    def begin(self, x: Tensor) -> None:
        """Before a new training: the range of the pseudo-inputs, unless it was given, follows rows (N, inputs)."""
        rows = x.flatten(1)
        if not self.follows or rows.shape[1:] != self.pseudo_inputs.shape[1:]:
            return
        outside = bool((rows < UNIT[0]).any() or (rows > UNIT[1]).any())
        self.follows, self.bounds = False, None if outside else UNIT
        self.__dict__["_arguments"]["bounds"] = self.bounds  # a saved model is built with what holds now
        if outside and self.starts:
            self.start_between(torch.where(rows.isnan(), rows.nanmean(0).nan_to_num(), rows))

    @torch.no_grad()
    def start_between(self, rows: Tensor) -> None:
        """Moves every pseudo-input to a random point between two rows (N, inputs), within any bounds that hold them."""
        one, other = (rows[torch.randint(len(rows), (len(self.pseudo_inputs),))] for _ in range(2))
        self.pseudo_inputs.copy_(one.lerp(other, torch.rand(len(one), 1)))

    @torch.no_grad()
    def start_at_rows(self, rows: Tensor) -> bool:
        """Moves the pseudo-inputs to centers of rows (N, inputs), by k-means; see ``starts.initialize``."""
        rows = rows.flatten(1)
        if rows.shape[1:] != self.pseudo_inputs.shape[1:]:
            return False
        self.begin(rows)
        found, _ = centers(rows, len(self.pseudo_inputs))
        self.pseudo_inputs.copy_(found if self.bounds is None else found.clamp(*self.bounds))
        return True

    def clamped(self) -> Tensor:
        """Returns the pseudo-inputs within the range of the data (K, inputs)."""
        return self.pseudo_inputs if self.bounds is None else _Clamp.apply(self.pseudo_inputs, self.bounds, self.beyond)  # pyright: ignore[reportReturnType]

    def bind(self, group: str, encoder: nn.Module, posterior: nn.Module) -> None:
        if self.group not in (None, group):
            raise ValueError(f"group={self.group!r} of the VampPrior names another than its own; use group={group!r}")


class _Clamp(Function):
    # The gradient of clamp, bounds included, in one kernel: that of hardtanh, which leaves its bounds out, between the
    # next numbers beyond them.
    @staticmethod
    def forward(ctx: Any, x: Tensor, bounds: tuple[float, float], beyond: tuple[float, float]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.beyond = beyond
        return x.clamp(*bounds)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grads[0], x, *ctx.beyond), None, None


def _beyond(bounds: tuple[float, float]) -> tuple[float, float]:
    """Returns the next numbers in single precision outside of bounds."""
    low, high = torch.nextafter(torch.tensor(bounds), torch.tensor([-math.inf, math.inf])).tolist()
    return low, high


def _check_within(bounds: tuple[float, float], rows: Tensor) -> None:
    # a model that is loaded is built on zeros, in whose place its weights come
    if rows.any() and not ((rows >= bounds[0]) & (rows <= bounds[1])).all():
        raise ValueError(
            f"bounds={bounds} do not hold pseudo_inputs, which go from {rows.min():.3g} to {rows.max():.3g} and would "
            "be clamped; give the range of the data, or bounds=None for unbounded data"
        )
