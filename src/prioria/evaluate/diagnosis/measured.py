"""Why the samples are bad: everything that tells, measured at once, and a sentence for each fault."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from prioria.data import Dataset
from prioria.distributions import can_be_listed, is_binary
from prioria.evaluate.aggregate import has_aggregate_density, top_posterior
from prioria.evaluate.classical import Baselines
from prioria.evaluate.diagnosis.judged import Finding, Measurements, findings
from prioria.evaluate.latent import (
    Divergence,
    active_units,
    kl_per_dimension,
    nearest_neighbor_kl,
    overlap,
    prior_components,
    symmetric_kl,
)
from prioria.evaluate.likelihood import parts
from prioria.evaluate.output import reconstruction
from prioria.model import VAE

THRESHOLDS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.5)
TEST_ROWS = 1000
ROWS = 5000  # training rows that make the aggregate posterior
OPAQUE = "The density of the posterior is not known at every z, as that of a flow is not; posteriors.Gaussian has one."


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is wrong with a model, and all that it was told from.

    Attributes:
        name: of the run, or what to call the model.
        findings: the worst first.
        measurements: the numbers.
        seed: of all draws.
        baselines: classical models of the rows of the run's evaluation, where there is one.
    """

    name: str
    findings: list[Finding]
    measurements: Measurements
    seed: int
    baselines: Baselines | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns findings and numbers as JSON values."""
        seen = self.measurements
        return {
            "name": self.name,
            "findings": [asdict(finding) for finding in self.findings],
            "active_units": {f"{threshold:g}": counts for threshold, counts in sweep(seen).items()},
            "rate": seen.rates,
            "kl_per_dimension": {
                name: None if each is None else {"values": each.values.tolist(), "against": each.against}
                for name, each in seen.dimensions.items()
            },
            "overlap": asdict(seen.overlap),
            "divergence": seen.divergence.to_json(),
            "components": None
            if seen.components is None
            else {
                "count": seen.components.count,
                "dead": seen.components.dead,
                "distinct": seen.components.distinct,
                "usage": seen.components.usage.tolist(),
            },
            "reconstruction": asdict(seen.reconstruction),
            "baselines": None if self.baselines is None else self.baselines.to_json(),
            "seed": self.seed,
            "unit": "nats",
        }

    def __str__(self) -> str:
        lines = [f"{each.severity}: {each.name}\n  {each.meaning}\n  Try: {each.remedy}" for each in self.findings]
        if self.measurements.overlap.pockets is None:
            lines.append(f"not measured: pockets\n  {OPAQUE}")
        return "\n".join(lines) if lines else f"{self.name}: nothing found"


def diagnose(model: VAE, data: Dataset, *, name: str = "model", seed: int = 0, limit: int = TEST_ROWS) -> Diagnosis:
    """Measures a model and says what is wrong with it.

    Posteriors, reconstructions and latents are those of test rows, the aggregate posterior that of 5,000 training
    rows at even distances.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        data: its data.
        name: what to call it.
        seed: of all draws.
        limit: test rows to look at.

    Raises:
        ValueError: a part of the model is still random, such as the gates of a dependency graph.
    """
    averages = parts(model, data.test, num_samples=10, seed=seed, limit=limit)
    rates = {group: averages.get(f"rate/{group}", averages["rate"]).value for group in model.groups}
    top = model.top
    seen = Measurements(
        pseudo_inputs=hasattr(top.p, "pseudo_inputs"),
        blocks=hasattr(top.p, "blocks"),
        is_binary=is_binary(top_posterior(model, data.test)),
        is_fused=not top.leaves_prior,
        units=active_units(model, data.test, seed=seed, limit=limit),
        rates=rates,
        dimensions=kl_per_dimension(model, data.test, seed=seed, limit=limit),
        overlap=overlap(model, data.train, held_out=data.test, seed=seed, limit=ROWS),
        divergence=_divergence(model, data, seed),
        components=prior_components(model, data.train, seed=seed, limit=ROWS),
        reconstruction=reconstruction(model, data.test, seed=seed, limit=limit),
    )
    return Diagnosis(name, findings(seen), seen, seed)


def sweep(seen: Measurements) -> dict[float, dict[str, int]]:
    """Returns the active units of each group by threshold."""
    return {
        threshold: {name: int((values > threshold).sum()) for name, values in seen.units.variances.items()}
        for threshold in THRESHOLDS
    }


def _divergence(model: VAE, data: Dataset, seed: int) -> Divergence:
    exact = has_aggregate_density(model, data.train) or can_be_listed(top_posterior(model, data.train))
    estimate = symmetric_kl if exact else nearest_neighbor_kl
    return estimate(model, data.train, seed=seed, limit=ROWS)
