"""Which latents the pages show: those of the top group, or where it is a class those below it, class by class.

p(z) = sum_c p(c) p(z|c) and q(z) = (1/N) sum_n sum_c q(c|x_n) q(z|x_n, c) are summed over all classes, not sampled.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from prioria.distributions import as_full
from prioria.evaluate.aggregate import aggregate_posterior, has_aggregate_density
from prioria.evaluate.sampling import device_of
from prioria.model import VAE, Condition, posterior_mean

FAINT = 1e-6  # chance of a class below which a row is none of it
TILE = 2**21  # densities of points under rows that are held at once


class Shown:
    """The group of a model that is shown, and the classes that hold it.

    Args:
        model: the model; to be asked while measuring.

    Attributes:
        group: its name.
        values: of the top group (K, *event), where it is a class above another group; else None.
    """

    def __init__(self, model: VAE) -> None:
        self.model, self.group, self.values = model, model.groups[0], None
        prior = model.top.prior(None)
        if prior.has_enumerate_support and len(model.groups) > 1:
            self.group, self.values = model.groups[1], prior.enumerate_support()
        self.event = self.prior(0).event_shape

    def prior(self, number: int) -> Distribution:
        """Returns p(z | c), or p(z) where there are no classes."""
        return self.model.stages[self.group].prior(self._above(number))

    def shares(self) -> Tensor | None:
        """Returns p(c) (K,)."""
        return None if self.values is None else self.model.top.prior(None).log_prob(self.values).exp().cpu()

    def _above(self, number: int | Tensor) -> Tensor | None:
        if self.values is None:
            return None
        held = self.values[number]
        return self.model.top.merge(None, held.reshape(1, -1, *self.values.shape[1:]))

    def encoded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns latents of rows under their likeliest class (n, L), and the chances of their classes (n, K)."""
        if self.values is None:
            return self.model.encode(x).flatten(1).cpu(), torch.ones(len(x), 1)
        condition = self.model.condition(x)
        chances = self._chances(condition)
        q = self._posterior(condition, chances.argmax(1))
        return posterior_mean(q).expand(1, len(x), *self.event)[0].flatten(1).cpu(), chances.cpu()

    def _chances(self, condition: Condition) -> Tensor:
        assert self.values is not None
        return condition.top[1].log_prob(self.values.unsqueeze(1)).mT.softmax(1)

    def _posterior(self, condition: Condition, number: int | Tensor) -> Distribution:
        stage, above = self.model.stages[self.group], self._above(number)
        if above is not None and above.shape[1] == 1:
            above = above.expand(1, len(condition.x), *above.shape[2:])
        return stage.posterior(condition.features[self.group], above, stage.prior(above))

    def given(self, z: Tensor, numbers: Tensor) -> dict[str, Tensor]:
        """Returns what ``generate`` holds for latents (n, L) under classes (n,)."""
        found = {self.group: z.unflatten(-1, self.event).to(device_of(self.model)).unsqueeze(0)}
        return found if self.values is None else {self.model.groups[0]: self.values[numbers].unsqueeze(0), **found}

    def draws(self, count: int, number: int | None) -> Tensor:
        """Draws from p(z | c), or from p(z) without a class (n, L)."""
        shares = self.shares()
        if shares is None or number is not None:
            d, shape = self.prior(number or 0), torch.Size([count])
            return d.sample(shape).reshape(count, -1).cpu()
        d = self.model.stages[self.group].prior(self._above(shares.multinomial(count, replacement=True)))
        return d.expand(torch.Size([1, count])).sample().reshape(count, -1).cpu()

    def log_p(self, z: Tensor, number: int | None) -> Tensor:
        """Returns log p(z | c), or log p(z) without a class, of latents (n, L)."""
        shares, z = self.shares(), z.unflatten(-1, self.event).to(device_of(self.model))
        if shares is None or number is not None:
            return tiled(self.prior(number or 0), z)
        terms = [tiled(self.prior(each), z) + share.log() for each, share in enumerate(shares)]
        return torch.stack(terms).logsumexp(0)

    def likeliest(self, z: Tensor) -> Tensor:
        """Returns the class (n,) that p(c|z) gives most, 0 where there are no classes."""
        shares = self.shares()
        if shares is None:
            return torch.zeros(len(z), dtype=torch.long)
        return torch.stack([self.log_p(z, each) + share.log() for each, share in enumerate(shares)]).argmax(0)

    def log_q(self, z: Tensor, x: Tensor, number: int | None) -> Tensor | None:
        """Returns the log-density of the posteriors of rows x at latents (n, L); None where they have none.

        Args:
            z: where.
            x: rows (N, D).
            number: only of a class, each row by its chance of it.
        """
        z, x = z.unflatten(-1, self.event).to(device_of(self.model)), x.to(device_of(self.model))
        if self.values is None:
            return tiled(aggregate_posterior(self.model, x), z) if has_aggregate_density(self.model, x[:2]) else None
        chances = self._chances(self.model.condition(x))
        numbers = range(chances.shape[1]) if number is None else [number]
        terms = []
        for each in numbers:
            rows = (chances[:, each] > FAINT).nonzero()[:, 0]
            if len(rows) == 0:
                continue
            q = self._posterior(self.model.condition(x[rows]), each)
            if as_full(q) is None:
                return None
            weights = chances[rows, each].log()
            tiles = z.split(max(1, TILE // (len(rows) * z.shape[-1] ** 2)))
            terms.append(torch.cat([(q.log_prob(tile.unsqueeze(1)) + weights).logsumexp(1) for tile in tiles]))
        if not terms:
            return torch.full((len(z),), -torch.inf)
        total = len(x) if number is None else float(chances[:, number].sum())
        return torch.stack(terms).logsumexp(0).cpu() - torch.tensor(total).log()


def tiled(d: Distribution, z: Tensor) -> Tensor:
    """Returns log-densities (n,) of latents, a few thousand at a time."""
    lead = (1,) * len(d.batch_shape)
    return torch.cat([d.log_prob(tile.reshape(*lead[1:], *tile.shape)).reshape(-1) for tile in z.split(2000)]).cpu()


def read_rows(name: str, values: Any, width: int) -> Tensor:
    """Returns what a page sent as rows of numbers (n, width).

    Raises:
        ValueError: of another shape, too many, or not finite.
    """
    found = torch.tensor(values, dtype=torch.float32)
    if found.dim() != 2 or found.shape[1] != width or not 0 < len(found) <= 256:
        what = "latents" if name == "z" else "numbers"
        raise ValueError(f"{name} has shape {tuple(found.shape)}; give between 1 and 256 rows of {width} {what}")
    if not found.isfinite().all():
        raise ValueError(f"{name} holds a number that is not finite")
    return found
