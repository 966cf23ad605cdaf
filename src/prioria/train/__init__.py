"""Training: fit, resume, and the run that they leave behind."""

from prioria.train.callbacks import Epoch
from prioria.train.fitting import fit, resume
from prioria.train.pilot import Suggestion, suggest_target
from prioria.train.refit import Refit, refit_prior, with_prior
from prioria.train.run import Run
from prioria.train.step import Step
from prioria.train.structure import fit_dependency_graph
from prioria.train.watch import NonFiniteLoss

__all__ = [
    "Epoch",
    "NonFiniteLoss",
    "Refit",
    "Run",
    "Step",
    "Suggestion",
    "fit",
    "fit_dependency_graph",
    "refit_prior",
    "resume",
    "suggest_target",
    "with_prior",
]
