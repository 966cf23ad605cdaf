"""What evaluation.json says, read and checked in one place."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import prioria
from prioria.atomic import check_place
from prioria.evaluate import ActiveUnits, Baselines, BoundCurve, Certificate, Estimate, Synthetic
from prioria.evaluate.record import Record
from prioria.storage import FORMAT, WEIGHTS, read_sealed, read_tensors, write_sealed, write_tensors
from prioria.train.run import BEST, exists, read_specification

FILE, POINTWISE = "evaluation.json", "evaluation.safetensors"


def _versions() -> dict[str, str]:
    return {"prioria": prioria.__version__, "torch": str(torch.__version__)}


@dataclass(frozen=True)
class Evaluation:
    """All that is measured of a run on one split.

    Attributes:
        log_likelihood: log p(x).
        elbo: the evidence lower bound.
        active_units: units whose posterior mean varies with x.
        split: "test", "validation" or "train".
        data: name of the data set.
        limit: so many rows of the split were used, at even distances; None for all.
        parts: distortion, rate, and the rate of each group of a hierarchy.
        version: of prioria and torch.
        weights: SHA-256 of the run's best weights when it was evaluated.
        rows: digest of the split that was evaluated; an empty text where the run is older than digests.
        curve: the bound over the number of samples, where it was asked for.
        certificate: of the estimator on simulated examples, where it was asked for.
        baselines: classical models of the same rows, with the paired differences; None where they were left out.
        synthetic: how samples differ from held-out rows, where it was asked for.
        per_value: the log-likelihood in other words, such as "bits per dimension" -> 1.2.

    Example:
        >>> units = ActiveUnits({"z": torch.tensor([0.9, 0.001])}, threshold=0.01, examples=2)
        >>> bound = Estimate.of(torch.tensor([-90.0, -88.0]), torch.zeros(2), 1, seed=0, estimator="ELBO")
        >>> found = Evaluation(bound, bound, units, split="test", data="digits")
        >>> print(found.elbo.number), print(found.active_units)
        -89.00 ± 1.00
        1 of 2 in z
        (None, None)
        >>> Evaluation.from_json(found.to_json()).elbo == bound
        True
    """

    log_likelihood: Estimate
    elbo: Estimate
    active_units: ActiveUnits
    split: str
    data: str = ""
    limit: int | None = None
    parts: dict[str, Estimate] = field(default_factory=dict)
    version: dict[str, str] = field(default_factory=_versions)
    weights: str = ""
    rows: str = ""
    curve: BoundCurve | None = None
    certificate: Certificate | None = None
    baselines: Baselines | None = None
    per_value: dict[str, float] = field(default_factory=dict)
    synthetic: Synthetic | None = None

    @property
    def estimator(self) -> str:
        """Of the log-likelihood, in words."""
        return self.log_likelihood.estimator

    def to_json(self) -> dict[str, Any]:
        """Returns JSON values."""
        return {
            "log_likelihood": self.log_likelihood.to_json(),
            "elbo": self.elbo.to_json(),
            "active_units": self.active_units.to_json(),
            "split": self.split,
            "estimator": self.estimator,
            "data": self.data,
            "limit": self.limit,
            "parts": {name: estimate.to_json() for name, estimate in self.parts.items()},
            "version": self.version,
            "weights": self.weights,
            "rows": self.rows,
            "curve": None if self.curve is None else self.curve.to_json(),
            "certificate": None if self.certificate is None else self.certificate.to_json(),
            "baselines": None if self.baselines is None else self.baselines.to_json(),
            "per_value": self.per_value,
            "synthetic": None if self.synthetic is None else self.synthetic.to_json(),
        }

    @classmethod
    def from_json(cls, found: Any, source: str = "evaluation") -> Evaluation:
        """Returns the evaluation that :meth:`to_json` wrote, without the values of single examples.

        Args:
            found: JSON values.
            source: what to call them in a message.

        Raises:
            ValueError: a name is missing or unknown, or a value of another type or not finite; the message names it.
        """
        try:
            return cls._taken(Record(found))
        except ValueError as error:
            raise ValueError(f"{source}: {error}; evaluate the run again") from error

    @classmethod
    def _taken(cls, record: Record) -> Evaluation:
        inner = ("parts", "version", "per_value")
        parts, version, per_value = (record.optional(name, record.inner) or Record({}) for name in inner)
        evaluation = cls(
            log_likelihood=Estimate.from_json(record.take("log_likelihood"), "log_likelihood"),
            elbo=Estimate.from_json(record.take("elbo"), "elbo"),
            active_units=ActiveUnits.from_json(record.take("active_units")),
            split=record.text("split"),
            data=record.optional("data", record.text) or "",
            limit=record.optional("limit", lambda name: record.count(name, 1)),
            parts=parts.each(lambda name: Estimate.from_json(parts.take(name), parts.at(name))),
            version=version.each(version.text),
            weights=record.optional("weights", record.text) or "",
            rows=record.optional("rows", record.text) or "",
            curve=record.optional("curve", lambda name: BoundCurve.from_json(record.take(name))),
            certificate=record.optional("certificate", lambda name: Certificate.from_json(record.take(name))),
            baselines=record.optional("baselines", lambda name: Baselines.from_json(record.take(name))),
            per_value=per_value.each(per_value.number),
            synthetic=record.optional("synthetic", lambda name: Synthetic.from_json(record.take(name))),
        )
        record.close("estimator")
        return evaluation

    @staticmethod
    def check_place(folder: Path) -> None:
        """Raises what :meth:`write` would, before the work.

        Raises:
            OSError: a file cannot be written into the folder.
            ValueError: there is something else in its place.
        """
        for name in (FILE, POINTWISE):
            check_place(folder / name)

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
        write_sealed(folder / FILE, {"format": FORMAT} | self.to_json() | digests)
        if pointwise:
            write_tensors(folder / POINTWISE, dict(pointwise))
        return folder / FILE


def read(folder: str | Path) -> Evaluation:
    """Reads the evaluation.json of a run folder, or the file itself.

    Raises:
        ValueError: it is missing or damaged, with what to do.
    """
    path = _file(folder)
    if not path.exists():
        raise ValueError(f"path={str(path)!r} does not exist; make it with: prioria evaluate {path.parent}")
    found = read_sealed(path, "an evaluation")
    return Evaluation.from_json({name: value for name, value in found.items() if name != "format"}, source=str(path))


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
