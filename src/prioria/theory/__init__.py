"""What small models give exactly, and what exponential families imply."""

from prioria.theory.backward import backward_messages as backward_messages
from prioria.theory.backward import exact_posterior as exact_posterior
from prioria.theory.backward import transitions as transitions
from prioria.theory.enumeration import Exact as Exact
from prioria.theory.enumeration import codes as codes
from prioria.theory.enumeration import exact as exact
from prioria.theory.enumeration import states_of as states_of
from prioria.theory.gradients import GradientBias as GradientBias
from prioria.theory.gradients import gradient_bias as gradient_bias
from prioria.theory.harmonium import Harmonium as Harmonium
from prioria.theory.tightness import Consistency as Consistency
from prioria.theory.tightness import consistency as consistency
