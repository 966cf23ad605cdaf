"""Closed-form starts: classical models that a VAE begins as."""

from prioria.distributions.spread import Spread, dequantize
from prioria.starts.documents import TopicStart, of_topics, shares_of, topics, words
from prioria.starts.factors import FactorMixture
from prioria.starts.recognition import MixtureEncoder
from prioria.starts.table import FEW, TableStart, build, mixture

__all__ = [
    "FEW",
    "FactorMixture",
    "MixtureEncoder",
    "Spread",
    "TableStart",
    "TopicStart",
    "build",
    "dequantize",
    "mixture",
    "of_topics",
    "shares_of",
    "topics",
    "words",
]
