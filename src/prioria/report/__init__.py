"""Pictures and pages: what a run learned, with every number's estimator, samples and split."""

from prioria.report.card import push_to_hub
from prioria.report.clouds import latent
from prioria.report.comparison import Comparison
from prioria.report.diagnosis import write_diagnosis
from prioria.report.evaluation import Evaluation
from prioria.report.history import curves
from prioria.report.overview import sheet
from prioria.report.page import compare, report

__all__ = [
    "Comparison",
    "Evaluation",
    "compare",
    "curves",
    "latent",
    "push_to_hub",
    "report",
    "sheet",
    "write_diagnosis",
]
