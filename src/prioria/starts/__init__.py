"""Closed-form starts: classical models that a VAE begins as."""

from prioria.distributions.spread import Spread, dequantize
from prioria.starts.documents import TopicStart, of_topics, shares_of, topics, words
from prioria.starts.factors import FactorMixture
from prioria.starts.incomplete import observed
from prioria.starts.parts import initialize
from prioria.starts.recognition import MixtureEncoder
from prioria.starts.table import FEW, Screen, TableStart, best, build, mixture, screened

__all__ = [
    "FEW",
    "FactorMixture",
    "MixtureEncoder",
    "Screen",
    "Spread",
    "TableStart",
    "TopicStart",
    "best",
    "build",
    "dequantize",
    "initialize",
    "mixture",
    "observed",
    "of_topics",
    "screened",
    "shares_of",
    "topics",
    "words",
]
