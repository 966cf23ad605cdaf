"""Active units: the latents that carry something about x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.draw import Latent
from prioria.evaluate.moments import Moments
from prioria.evaluate.record import Record
from prioria.evaluate.sampling import Batch, Examples, measuring, sampling_of
from prioria.model import VAE


@dataclass(frozen=True, eq=False)
class ActiveUnits:
    """How much the posterior mean of each unit varies over the data.

    Attributes:
        variances: group -> A_u of each unit, top group first.
        threshold: above it a unit is active.
        examples: N, rows that they are the variance over.

    Example:
        >>> units = ActiveUnits({"z": torch.tensor([0.9, 0.001])}, threshold=0.01, examples=100)
        >>> units.counts, str(units)
        ({'z': 1}, '1 of 2 in z')
    """

    variances: dict[str, Float[Tensor, "*event"]]
    threshold: float
    examples: int

    @property
    def counts(self) -> dict[str, int]:
        """Group -> number of active units."""
        return {name: int((variance > self.threshold).sum()) for name, variance in self.variances.items()}

    def to_json(self) -> dict[str, Any]:
        """Returns counts, numbers of units and variances by group, as JSON values."""
        return {
            "counts": self.counts,
            "units": {name: variance.numel() for name, variance in self.variances.items()},
            "variances": {name: variance.flatten().tolist() for name, variance in self.variances.items()},
            "threshold": self.threshold,
            "examples": self.examples,
        }

    @classmethod
    def from_json(cls, found: Any, place: str = "active_units") -> ActiveUnits:
        """Returns what :meth:`to_json` wrote; the units of a group stand in one row.

        Raises:
            ValueError: a name is missing or unknown, a value is of another type or not finite, or the counts are not
                those of the variances.
        """
        record = Record(found, place)
        groups = record.inner("variances")
        variances = {name: torch.tensor(row, dtype=torch.float64) for name, row in groups.each(groups.numbers).items()}
        units = cls(variances, record.amount("threshold"), record.count("examples", 1))
        counts, sizes = record.inner("counts"), record.inner("units")
        for inner, true in ((counts, units.counts), (sizes, {name: len(row) for name, row in variances.items()})):
            if inner.each(inner.count) != true:
                raise ValueError(f"{inner.place}: {inner.found} does not belong to the variances, which have {true}")
        record.close()
        return units

    def __str__(self) -> str:
        return ", ".join(f"{count} of {self.variances[name].numel()} in {name}" for name, count in self.counts.items())


def active_units(
    model: VAE,
    x: Examples,
    *,
    num_samples: int = 32,
    seed: int = 0,
    threshold: float = 0.01,
    limit: int | None = None,
) -> ActiveUnits:
    r"""Measures A_u = Var_x(E_{q(u|x)}[u]) of every unit (Burda, Grosse and Salakhutdinov, 2016, section 5.3).

    The mean of the top group is its posterior's. Below it the mean of q(z_i | x, above) is averaged over K draws of the
    groups above, and of a posterior without a closed mean the draws are. The variance of this average is subtracted,
    Var_x(mean_k m_k) - E_x[var_k(m_k)] / K: else a unit that only follows the noise above it would count as active.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: rows (N, D), or a split of a data set.
        num_samples: K, draws for each example; at least 2.
        seed: of the noise.
        threshold: above it a unit is active.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: fewer than two samples or two examples.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> active_units(model, torch.eye(6)).variances["z"].shape
        torch.Size([2])
    """
    if num_samples < 2:
        raise ValueError(f"num_samples={num_samples} cannot tell noise from variance over x; use at least 2")
    with measuring(model):
        sampling = sampling_of(model, x, num_samples, seed, limit=limit)
        if len(sampling.examples) < 2:
            raise ValueError(f"x has {len(sampling.examples)} row; a variance over x needs at least 2")
        means = [_means(batch) for batch in sampling.batches]
    variances = {name: _variance([each[name] for each in means]) for name in model.groups}
    return ActiveUnits(variances, threshold, len(sampling.examples))


def _means(batch: Batch) -> dict[str, Moments]:
    moments = {name: Moments() for name in batch.sampling.model.groups}
    for draw in batch.draws:
        for name, latent in draw.latents.items():
            moments[name].add(_closed_mean(latent)[:, batch.wanted])
    return moments


def _closed_mean(latent: Latent) -> Tensor:
    assert latent.q is not None
    try:
        return latent.q.mean.expand_as(latent.z)
    except NotImplementedError:
        return latent.z


def _variance(groups: list[Moments]) -> Tensor:
    means = torch.cat([moments.mean for moments in groups])
    noise = torch.cat([moments.variance_of_mean for moments in groups])
    return means.var(0) - noise.mean(0)
