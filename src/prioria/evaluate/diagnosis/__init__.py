"""What is wrong with a model: what tells, measured at once, and what follows from it."""

from prioria.evaluate.diagnosis.judged import Finding, Measurements, by_severity, findings
from prioria.evaluate.diagnosis.measured import OPAQUE, ROWS, THRESHOLDS, Diagnosis, diagnose, sweep

__all__ = [
    "OPAQUE",
    "ROWS",
    "THRESHOLDS",
    "Diagnosis",
    "Finding",
    "Measurements",
    "by_severity",
    "diagnose",
    "findings",
    "sweep",
]
