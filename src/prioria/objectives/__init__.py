"""Objectives: minus the log-weight, plus departures from it."""

from prioria.objectives.aggregate import Minibatch, Stratified
from prioria.objectives.base import BatchTerms, Loss, Objective, Progress, Rates
from prioria.objectives.capacity import Capacity
from prioria.objectives.density_ratio import DensityRatio
from prioria.objectives.elbo import ELBO
from prioria.objectives.enumerated import Enumerated
from prioria.objectives.geco import GECO, geco_update
from prioria.objectives.iwae import IWAE
from prioria.objectives.mmd import RBF, InfoVAE, InverseMultiquadratic, RationalQuadratic
from prioria.objectives.reductions import LogMeanExp, Mean, Reduction
from prioria.objectives.rewo import REWO, rewo_update
from prioria.objectives.target import Target
from prioria.objectives.total_correlation import BetaTC, FactorVAE

__all__ = [
    "ELBO",
    "GECO",
    "IWAE",
    "RBF",
    "REWO",
    "BatchTerms",
    "BetaTC",
    "Capacity",
    "DensityRatio",
    "Enumerated",
    "FactorVAE",
    "InfoVAE",
    "InverseMultiquadratic",
    "LogMeanExp",
    "Loss",
    "Mean",
    "Minibatch",
    "Objective",
    "Progress",
    "Rates",
    "RationalQuadratic",
    "Reduction",
    "Stratified",
    "Target",
    "geco_update",
    "rewo_update",
]
