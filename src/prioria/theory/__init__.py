"""What small models give exactly, and what exponential families imply."""

from prioria.theory.backward import backward_messages, exact_posterior, transitions
from prioria.theory.enumeration import Exact, codes, exact, states_of
from prioria.theory.gradients import GradientBias, gradient_bias
from prioria.theory.harmonium import Harmonium
from prioria.theory.tightness import Consistency, consistency

__all__ = [
    "Consistency",
    "Exact",
    "GradientBias",
    "Harmonium",
    "backward_messages",
    "codes",
    "consistency",
    "exact",
    "exact_posterior",
    "gradient_bias",
    "states_of",
    "transitions",
]
