"""Gates on the parents of a group: which of the groups above it depends on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prioria.module import Module


class Gates(Module):
    r"""One gate c_i for each parent z_i, learned as Bernoulli(mu_i) through its binary-concrete relaxation, or fixed.

    c = sigmoid((logit mu + log u - log(1 - u)) / t), u uniform (Maddison, Mnih and Teh, 2017): the stable form of the
    power form in public code, which underflows at low temperatures t. P(c > 1/2) = mu at every t, and a frozen gate is
    exactly 1 if mu > 1/2, else 0. The temperature follows the epoch, t = max(decay^epoch, floor), and stands at the
    floor outside training.

    Args:
        widths: dimensions of each parent, top group first.
        edges: for each parent whether the edge is there; None: gates are learned from mu = 1/2.
        per_example: draw gates for each example, else once for all of a draw. Samples of an example always share them.
        decay: factor on the temperature after each epoch.
        floor: least temperature.

    Raises:
        ValueError: no parent, another number of edges than parents, or a decay or floor outside (0, 1].

    Example:
        >>> gates = Gates([2, 3], edges=[True, False])
        >>> gates(torch.ones(1, 4, 5))[0, 0]
        tensor([1., 1., 0., 0., 0.])
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        edges: Sequence[bool] | None = None,
        per_example: bool = False,
        decay: float = 0.99,
        floor: float = 0.1,
    ) -> None:
        super().__init__()
        if not widths or (edges is not None and len(edges) != len(widths)):
            raise ValueError(f"widths={list(widths)} and edges={edges}: give at least one parent, and an edge for each")
        if not (0 < decay <= 1 and 0 < floor <= 1):
            raise ValueError(f"decay={decay} and floor={floor} must lie in (0, 1]")
        logits = torch.zeros(len(widths)) if edges is None else 2 * torch.tensor(edges).float() - 1
        self.logits = nn.Parameter(logits, requires_grad=edges is None)
        self.register_buffer("frozen", torch.tensor(edges is not None))
        self._is_frozen = edges is not None  # the same as a Python number, which a traced program can branch on
        owners = torch.arange(len(widths)).repeat_interleave(torch.tensor(widths))
        self.register_buffer("owners", owners, persistent=False)
        self.per_example, self.decay, self.floor, self.temperature = per_example, decay, floor, floor
        self.register_load_state_dict_post_hook(Gates._follow)

    def forward(self, above: Float[Tensor, "*batch L"]) -> Float[Tensor, "*batch L"]:
        """Returns the parents' values, each times its gate."""
        return above * self.sample(above)[..., self.get_buffer("owners")]

    def sample(self, above: Float[Tensor, "*batch L"]) -> Float[Tensor, "*examples P"]:
        """Draws the gates (P,), or (B, P) for each example; frozen ones are exactly 0 or 1."""
        if self.is_frozen:
            return (self.logits > 0).to(above)
        examples = above.shape[-2:-1] if self.per_example else ()
        noise = torch.rand(*examples, len(self.logits), device=above.device, dtype=self.logits.dtype).logit(eps=1e-6)
        return ((self.logits + noise) / self.temperature).sigmoid()

    @property
    def is_frozen(self) -> bool:
        """Whether the gates are fixed to 0 and 1."""
        return self._is_frozen

    @property
    def probabilities(self) -> Float[Tensor, " P"]:
        """Mu of each gate, 0 or 1 if frozen."""
        logits = self.logits.detach()
        return (logits > 0).to(logits) if self.is_frozen else logits.sigmoid()

    def freeze(self) -> None:
        """Fixes each gate to 1[mu > 1/2]."""
        self.get_buffer("frozen").fill_(True)
        self._follow()

    def _follow(self, _loaded: object = None) -> None:
        self._is_frozen = bool(self.get_buffer("frozen"))
        self.logits.requires_grad_(not self._is_frozen)

    @contextmanager
    def without(self, index: int) -> Iterator[None]:
        """Takes one edge out of frozen gates for a while."""
        before = self.logits[index].item()
        with torch.no_grad():
            self.logits[index] = -1.0
        try:
            yield
        finally:
            with torch.no_grad():
                self.logits[index] = before

    def at_epoch(self, epoch: int | None) -> None:
        """Sets the temperature of an epoch counted from zero; None: the end of the schedule."""
        self.set_temperature(self.floor if epoch is None else max(self.decay**epoch, self.floor))

    def set_temperature(self, temperature: float) -> None:
        """Sets t.

        Raises:
            ValueError: t is not positive.
        """
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature={temperature} must be positive")
        self.temperature = temperature
