"""What evaluation.json says, read and checked in one place."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

import prioria
from prioria.evaluate import ActiveUnits, BoundCurve, Certificate, Estimate
from prioria.storage import WEIGHTS, read_json, read_tensors, write_json, write_tensors
from prioria.train.run import BEST, exists, read_specification

FILE, POINTWISE = "evaluation.json", "evaluation.safetensors"


@dataclass(frozen=True)
class Number:
    """An estimate as a file holds it: the mean over examples, in nats, its errors, and how it was obtained."""

    value: float
    num_samples: int
    examples: int
    estimator: str
    standard_error: float | None = None
    monte_carlo_error: float | None = None
    bias: float | None = None
    ess: float | None = None
    converged: bool = True
    seed: int = 0
    unit: str = "nats"

    def __str__(self) -> str:
        return f"{self.value:.2f}" + ("" if self.standard_error is None else f" ± {self.standard_error:.2f}")


@dataclass(frozen=True)
class Units:
    """Active units of each group, top group first."""

    counts: dict[str, int]
    units: dict[str, int]
    threshold: float
    examples: int
    variances: dict[str, list[float]] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(f"{count} of {self.units[group]} in {group}" for group, count in self.counts.items())


@dataclass(frozen=True)
class Curve:
    """The importance-weighted bound for several numbers of samples, fewest first, and whether it came to rest."""

    estimates: list[Number]
    rise: float
    tolerance: float
    converged: bool
    rise_error: float | None = None

    def __str__(self) -> str:
        error = "" if self.rise_error is None else f" ± {self.rise_error:.3f}"
        before, last = (each.num_samples for each in self.estimates[-2:])
        verdict = "converged" if self.converged else "not converged"
        return f"{verdict}: it rises by {self.rise:.3f}{error} nats from {before:,} to {last:,} samples"


@dataclass(frozen=True)
class Certified:
    """Both sides of log p(x) of simulated examples, and what the importance sampler is low by on them, in nats."""

    lower: Number
    upper: Number
    importance: Number
    gap: float
    importance_gap: float
    importance_gap_error: float
    certified: float

    def __str__(self) -> str:
        return (
            f"lower bound; estimator certified to {self.certified:.2f} nats on simulations "
            f"({self.importance.examples:,} examples; gap of annealing {self.gap:.2f})"
        )


@dataclass(frozen=True)
class Evaluation:
    """All that is measured of a run on one split.

    Attributes:
        log_likelihood: log p(x).
        elbo: the evidence lower bound.
        active_units: units whose posterior mean varies with x.
        split: "test", "validation" or "train".
        estimator: of the log-likelihood, in words.
        data: name of the data set.
        limit: so many rows of the split were used, at even distances; None for all.
        parts: distortion, rate, and the rate of each group of a hierarchy.
        version: of prioria and torch.
        weights: SHA-256 of the run's best weights when it was evaluated.
        rows: digest of the split that was evaluated; an empty text where the run is older than digests.
        curve: the bound over the number of samples, where it was asked for.
        certificate: of the estimator on simulated examples, where it was asked for.

    Example:
        >>> units = ActiveUnits({"z": torch.tensor([0.9, 0.001])}, threshold=0.01, examples=2)
        >>> bound = Estimate(torch.tensor([-90.0, -88.0]), torch.zeros(2), 1, seed=0, estimator="ELBO")
        >>> found = Evaluation.of(bound, {"elbo": bound}, units, data="digits", split="test")
        >>> print(found.elbo), print(found.active_units)
        -89.00 ± 1.00
        1 of 2 in z
        (None, None)
    """

    log_likelihood: Number
    elbo: Number
    active_units: Units
    split: str
    estimator: str
    data: str = ""
    limit: int | None = None
    parts: dict[str, Number] = field(default_factory=dict)
    version: dict[str, str] = field(default_factory=dict)
    weights: str = ""
    rows: str = ""
    curve: Curve | None = None
    certificate: Certified | None = None

    @classmethod
    def of(
        cls,
        log_likelihood: Estimate,
        bound: Mapping[str, Estimate],
        active_units: ActiveUnits,
        *,
        data: str,
        split: str,
        limit: int | None = None,
        curve: BoundCurve | None = None,
        certificate: Certificate | None = None,
    ) -> Evaluation:
        """Gathers what the functions of ``prioria.evaluate`` returned."""
        numbers = {name: estimate.to_json() for name, estimate in bound.items()}
        return parse(
            {
                "log_likelihood": log_likelihood.to_json(),
                "elbo": numbers.pop("elbo"),
                "active_units": active_units.to_json(),
                "split": split,
                "estimator": log_likelihood.estimator,
                "data": data,
                "limit": limit,
                "parts": numbers,
                "version": {"prioria": prioria.__version__, "torch": str(torch.__version__)},
                "curve": None if curve is None else curve.to_json(),
                "certificate": None if certificate is None else certificate.to_json(),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Returns JSON values."""
        return asdict(self)

    def write(self, folder: Path, pointwise: Mapping[str, Tensor] | None = None, *, weights: str | None = None) -> Path:
        """Writes evaluation.json with digests of the run's weights and data, and the values of examples beside it.

        Args:
            folder: of the run.
            pointwise: "log_likelihood" -> (N,), and whatever else is to be kept.
            weights: digest of the weights that were measured; by default of those that are there now.
        """
        # Never the examples of one evaluation beside the numbers of another.
        (folder / POINTWISE).unlink(missing_ok=True)
        digests = {"weights": weights or digest(folder), "rows": _rows(folder, self.split)}
        write_json(folder / FILE, self.to_json() | digests)
        if pointwise:
            write_tensors(folder / POINTWISE, dict(pointwise))
        return folder / FILE


def parse(found: Any, source: str = "evaluation") -> Evaluation:
    """Returns the evaluation in JSON values.

    Raises:
        ValueError: something is missing or of another type; the message names it and ``source``.
    """
    try:
        evaluation = TypeAdapter(Evaluation).validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        raise ValueError(f"{source}: {place}: {first['msg'].lower()}; evaluate the run again") from error
    return evaluation


def read(folder: str | Path) -> Evaluation:
    """Reads the evaluation.json of a run folder, or the file itself.

    Raises:
        ValueError: it is missing or damaged, with what to do.
    """
    path = _file(folder)
    if not path.exists():
        raise ValueError(f"path={str(path)!r} does not exist; make it with: prioria evaluate {path.parent}")
    return parse(read_json(path), source=str(path))


def read_pointwise(folder: str | Path) -> Tensor | None:
    """Reads log p(x) of each example (N,), in the order of the split; None where the evaluation kept none.

    Raises:
        ValueError: the values are damaged, or are not those that the evaluation is the mean of.
    """
    path = _file(folder).with_name(POINTWISE)
    if not path.exists():
        return None
    number, values = read(folder).log_likelihood, read_tensors(path).get("log_likelihood")
    if values is None or values.shape != (number.examples,) or not _is_mean(number.value, values):
        raise ValueError(f"path={str(path)!r} does not belong to the {FILE} beside it; evaluate the run again")
    return values.double()


def digest(folder: Path) -> str:
    """Returns the SHA-256 of the best weights in a run folder; an empty text where there are none."""
    path = folder / BEST / WEIGHTS
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(folder: Path, split: str) -> str:
    """Returns the digest of a split in run.json; no run is opened with other data."""
    return read_specification(folder)["data"].get("digest", {}).get(split, "") if exists(folder) else ""


def _file(folder: str | Path) -> Path:
    path = Path(folder)
    return path if path.suffix == ".json" else path / FILE


def _is_mean(value: float, values: Tensor) -> bool:
    return math.isclose(value, values.double().mean().item(), rel_tol=1e-5)
