"""Mixture of the encodings of training rows (Exemplar VAE)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import LeaveOneOut, Mixture, as_full, bernoulli, is_binary, normal
from prioria.module import evaluation_mode
from prioria.priors.base import Prior

ROWS = 1000  # exemplars that are encoded at once, where no gradient needs them
REFRESHED = 100  # whose code is brought up to date at a step, beside those that were retrieved


class Exemplar(Prior):
    r"""p(z) = (1/N) sum_n N(z; m(x_n), s^2 I): encodings of training rows x_n, one variance for all (Norouzi et al.).

    m is the mean of the model's own posterior, s^2 is learned (Norouzi, Fleet and Norouzi, 2020, "Exemplar VAE"). In
    training a row is no exemplar of itself (leave-one-out), and a step takes M exemplars at random: with l_n the
    density of component n and S the M without the row itself, the step scores log (1/|S|) sum_{n in S} l_n, whose
    exponential is an unbiased estimate of the leave-one-out mixture (1/(N-1)) sum_{n != i} l_n, and which itself is
    low on average. With ``neighbors=k`` only the k of S that are nearest to z enter the sum, found by the codes of
    earlier steps and encoded anew, so that a step encodes at most k rows for each z, however large M is. In
    evaluation mode all exemplars are components and the density is exact.

    Departures: exemplars are the rows that are given, not all training rows, so that a saved model stays small; each
    step brings 100 more codes up to date, in turn, where the paper stores those of its batch; under bits as latents,
    which have no variance, a component is the posterior itself.

    Encoder and posterior are the model's own objects, held without registering them a second time, as for
    :class:`VampPrior`. What the prior remembers of the data, the exemplars, is saved with its weights.

    Args:
        encoder: the model's encoder (of the top group).
        posterior: the model's posterior (of the top group): Gaussian or Bernoulli.
        exemplars: training rows (N, D), two or more.
        numbers: which rows of the training data they are (N,), for leave-one-out; the first N by default.
        subset: M, exemplars of a step; all where there are no more.
        neighbors: k; None for all of a step's exemplars.
        group: the name of the top group, where the encoder returns features of all groups in a dict.
        variance: s^2 at the start.

    Raises:
        ValueError: fewer than two exemplars or a number named twice, a size or the variance that is not positive, more
            neighbors than a step has exemplars, or a posterior without a closed mean, such as a flow.

    Example:
        >>> from prioria import nets, posteriors
        >>> encoder, posterior = nets.GatedMLP(6, 4, gated_output=True), posteriors.Gaussian(4, 2)
        >>> Exemplar(encoder, posterior, exemplars=torch.rand(9, 6))().log_prob(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        encoder: nn.Module,
        posterior: nn.Module,
        *,
        exemplars: Tensor,
        numbers: Tensor | None = None,
        subset: int = 500,
        neighbors: int | None = None,
        group: str | None = None,
        variance: float = 1.0,
    ) -> None:
        super().__init__()
        numbers = torch.arange(len(exemplars)) if numbers is None else numbers
        _check(exemplars, numbers, subset, neighbors, variance)
        self.shared = (encoder, posterior)  # a tuple: not registered, the model owns both
        self.subset, self.neighbors, self.group = min(subset, len(exemplars)), neighbors, group
        self.log_variance = nn.Parameter(torch.tensor(math.log(variance)))
        self.register_buffer("exemplars", exemplars.clone().float())
        self.register_buffer("numbers", numbers.clone())
        self.register_buffer("turn", torch.tensor(0))
        self.own: Tensor | None = None  # numbers of the rows of the step under way
        self.kept: tuple[list[Tensor], Tensor] | None = None
        self.binary = False
        with evaluation_mode(encoder), evaluation_mode(posterior):
            self.register_buffer("codes", self.encoded(numbers.new_tensor(range(len(exemplars)))).detach().clone())

    def forward(self, context: Tensor | None = None) -> Distribution:
        every = self.subset == len(self.get_buffer("exemplars"))
        if self.training and not (every and self.neighbors is None and self.own is None):
            return self._some(every)
        return Mixture(self.components(self._all()))

    def at_rows(self, rows: Tensor | None) -> None:
        self.own = rows

    def bind(self, group: str, encoder: nn.Module, posterior: nn.Module) -> None:
        if self.group not in (None, group):
            raise ValueError(f"group={self.group!r} of the prior names another than its own; use group={group!r}")

    def components(self, location: Tensor) -> Distribution:
        """Returns the components (..., *event) at locations: means, or logits of bits."""
        if self.binary:
            return bernoulli(location)
        return normal(location, (0.5 * self.log_variance).exp().to(location.dtype).expand_as(location))

    def encoded(self, index: Tensor) -> Tensor:
        """Returns the locations (n, *event) of exemplars by the encoder as it is."""
        encoder, posterior = self.shared
        features = encoder(self.get_buffer("exemplars")[index])
        q = posterior(features if self.group is None else features[self.group])
        self.binary = is_binary(q)
        if self.binary:
            return q.base_dist.logits
        full = as_full(q)
        if full is None:
            raise ValueError(
                f"posterior={type(posterior).__name__} has no closed mean, where an exemplar would be; use "
                "posteriors.Gaussian, or another prior such as RealNVP"
            )
        return full.loc

    @torch.no_grad()
    def remember(self, index: Tensor, location: Tensor) -> None:
        """Keeps the codes of exemplars, by which the next steps find the nearest."""
        self.get_buffer("codes")[index] = location.to(self.get_buffer("codes").dtype)

    def _some(self, every: bool) -> Distribution:
        count = len(self.get_buffer("exemplars"))
        device = self.get_buffer("exemplars").device
        index = torch.arange(count) if every else torch.randperm(count)[: self.subset]
        if self.neighbors is not None:
            self._refresh(count)
        return LeaveOneOut(self, index.to(device), self.own)

    @torch.no_grad()
    def _refresh(self, count: int) -> None:
        turn = self.get_buffer("turn")
        index = (turn + torch.arange(min(REFRESHED, count), device=turn.device)) % count
        self.remember(index, self.encoded(index))
        turn.copy_((turn + len(index)) % count)

    def _all(self) -> Tensor:
        """Returns the locations of all exemplars; without gradients they are encoded once for the same weights."""
        index = torch.arange(len(self.get_buffer("exemplars")), device=self.get_buffer("exemplars").device)
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self.encoded(index)
        made_of = [each for part in self.shared for each in (*part.parameters(), *part.buffers())]
        made_of.append(self.get_buffer("exemplars"))
        if self.kept is None or not _same(self.kept[0], made_of):
            location = torch.cat([self.encoded(part) for part in index.split(ROWS)])
            self.kept = [each.clone() for each in made_of], location
        return self.kept[1]


def _same(before: list[Tensor], now: list[Tensor]) -> bool:
    kinds = [(each.shape, each.dtype, each.device) for each in before]
    return kinds == [(each.shape, each.dtype, each.device) for each in now] and all(map(torch.equal, before, now))


def _check(exemplars: Tensor, numbers: Tensor, subset: int, neighbors: int | None, variance: float) -> None:
    if exemplars.dim() != 2 or len(exemplars) < 2:
        raise ValueError(f"exemplars has shape {tuple(exemplars.shape)}; give training rows (N, D), two or more")
    if numbers.shape != exemplars.shape[:1] or (numbers.any() and len(numbers.unique()) < len(numbers)):
        # a model that is loaded is built on zeros, in whose place its own numbers come
        raise ValueError(f"numbers of shape {tuple(numbers.shape)} must name {len(exemplars)} different rows")
    if subset < 2 or variance <= 0:
        raise ValueError(
            f"subset={subset} must be at least 2, so that one is left without the row itself, and "
            f"variance={variance} positive"
        )
    if neighbors is not None and not 1 <= neighbors <= min(subset, len(exemplars)):
        raise ValueError(
            f"neighbors={neighbors} must be between 1 and the {min(subset, len(exemplars))} exemplars of a step; leave "
            "it out for all of them"
        )
