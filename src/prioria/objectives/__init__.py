"""Objectives: minus the log-weight, plus departures from it."""

from prioria.objectives.base import Loss as Loss
from prioria.objectives.base import Objective as Objective
from prioria.objectives.base import Progress as Progress
from prioria.objectives.elbo import ELBO as ELBO
from prioria.objectives.iwae import IWAE as IWAE
