"""Closed-form starts: classical models that a VAE begins as."""

from prioria.starts.documents import words
from prioria.starts.factors import FactorMixture
from prioria.starts.recognition import MixtureEncoder
from prioria.starts.table import TableStart, build, cells, dequantize, mixture

__all__ = [
    "FactorMixture",
    "MixtureEncoder",
    "TableStart",
    "build",
    "cells",
    "dequantize",
    "mixture",
    "words",
]
