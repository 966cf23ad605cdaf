"""Objectives: minus the log-weight, plus departures from it."""

from prioria.objectives.aggregate import Minibatch as Minibatch
from prioria.objectives.aggregate import Stratified as Stratified
from prioria.objectives.base import BatchTerms as BatchTerms
from prioria.objectives.base import Loss as Loss
from prioria.objectives.base import Objective as Objective
from prioria.objectives.base import Progress as Progress
from prioria.objectives.base import Rates as Rates
from prioria.objectives.capacity import Capacity as Capacity
from prioria.objectives.density_ratio import DensityRatio as DensityRatio
from prioria.objectives.elbo import ELBO as ELBO
from prioria.objectives.enumerated import Enumerated as Enumerated
from prioria.objectives.geco import GECO as GECO
from prioria.objectives.geco import geco_update as geco_update
from prioria.objectives.iwae import IWAE as IWAE
from prioria.objectives.mmd import RBF as RBF
from prioria.objectives.mmd import InfoVAE as InfoVAE
from prioria.objectives.mmd import InverseMultiquadratic as InverseMultiquadratic
from prioria.objectives.mmd import RationalQuadratic as RationalQuadratic
from prioria.objectives.reductions import LogMeanExp as LogMeanExp
from prioria.objectives.reductions import Mean as Mean
from prioria.objectives.reductions import Reduction as Reduction
from prioria.objectives.rewo import REWO as REWO
from prioria.objectives.rewo import rewo_update as rewo_update
from prioria.objectives.target import Target as Target
from prioria.objectives.total_correlation import BetaTC as BetaTC
from prioria.objectives.total_correlation import FactorVAE as FactorVAE
