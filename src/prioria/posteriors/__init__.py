"""Approximate posteriors: conditionals on features of x."""

from prioria.conditional import Gaussian as Gaussian
