"""Variational autoencoders whose latent space is learned and structured."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from prioria import build as build
    from prioria import data as data
    from prioria import evaluate as evaluate
    from prioria import explore as explore
    from prioria import likelihoods as likelihoods
    from prioria import nets as nets
    from prioria import objectives as objectives
    from prioria import posteriors as posteriors
    from prioria import priors as priors
    from prioria import stages as stages
    from prioria import theory as theory
    from prioria.adoption import adopt as adopt
    from prioria.model import VAE as VAE
    from prioria.model import load as load
    from prioria.train import Run as Run
    from prioria.train import fit as fit

_MODULES = (
    "build",
    "data",
    "evaluate",
    "explore",
    "likelihoods",
    "nets",
    "objectives",
    "posteriors",
    "priors",
    "stages",
    "theory",
)
_NAMES = {
    "VAE": "prioria.model",
    "adopt": "prioria.adoption",
    "load": "prioria.model",
    "fit": "prioria.train",
    "Run": "prioria.train",
}

__all__ = [
    "Run",
    "VAE",
    "adopt",
    "build",
    "data",
    "evaluate",
    "explore",
    "fit",
    "likelihoods",
    "load",
    "nets",
    "objectives",
    "posteriors",
    "priors",
    "stages",
    "theory",
]


def __getattr__(name: str) -> Any:
    # Lazy: `import prioria` and the command line's --help load no torch.
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"prioria.{name}")
    raise AttributeError(f"module 'prioria' has no attribute {name!r}")
