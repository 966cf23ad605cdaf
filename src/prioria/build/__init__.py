"""From a data set and a few choices to a model and an objective: what the command line, the demo and estimators use."""

from prioria.build.assembly import model as model
from prioria.build.assembly import objective as objective
from prioria.build.assembly import prior as prior
from prioria.build.assembly import structure as structure
from prioria.build.families import Choice as Choice
from prioria.build.families import Family as Family
from prioria.build.kinds import CONSTRAINTS as CONSTRAINTS
from prioria.build.kinds import LIKELIHOODS as LIKELIHOODS
from prioria.build.kinds import NETWORKS as NETWORKS
from prioria.build.kinds import OBJECTIVES as OBJECTIVES
from prioria.build.kinds import POSTERIORS as POSTERIORS
from prioria.build.kinds import PRIORS as PRIORS
from prioria.build.kinds import STAGES as STAGES
from prioria.build.kinds import TOTAL_CORRELATIONS as TOTAL_CORRELATIONS
from prioria.build.networks import Networks as Networks
from prioria.build.structures import Structure as Structure
