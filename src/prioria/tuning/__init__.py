"""A search for the options of a training."""

from prioria.tuning.found import Tried, Tuned
from prioria.tuning.search import tune
from prioria.tuning.space import Suggestion

__all__ = ["Suggestion", "Tried", "Tuned", "tune"]
