"""Closed-form starts: classical models that a VAE begins as."""

from prioria.starts.factors import FactorMixture as FactorMixture
from prioria.starts.recognition import MixtureEncoder as MixtureEncoder
from prioria.starts.table import TableStart as TableStart
from prioria.starts.table import build as build
from prioria.starts.table import dequantize as dequantize
from prioria.starts.table import mixture as mixture
