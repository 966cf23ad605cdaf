"""Training: fit, resume, and the run that they leave behind."""

from prioria.train.fitting import fit as fit
from prioria.train.fitting import resume as resume
from prioria.train.pilot import Suggestion as Suggestion
from prioria.train.pilot import suggest_target as suggest_target
from prioria.train.refit import Refit as Refit
from prioria.train.refit import refit_prior as refit_prior
from prioria.train.refit import with_prior as with_prior
from prioria.train.run import Run as Run
from prioria.train.step import Step as Step
from prioria.train.structure import fit_dependency_graph as fit_dependency_graph
from prioria.train.watch import NonFiniteLoss as NonFiniteLoss
