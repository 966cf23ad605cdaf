"""Variational autoencoders whose latent space is learned and structured."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from prioria import (
        build,
        data,
        distributions,
        evaluate,
        explore,
        export,
        likelihoods,
        nets,
        objectives,
        papers,
        posteriors,
        presets,
        priors,
        report,
        stages,
        theory,
        train,
        tuning,
    )
    from prioria.adoption import adopt
    from prioria.model import VAE, load
    from prioria.train import Run, fit

_NAMES = {
    "VAE": "prioria.model",
    "adopt": "prioria.adoption",
    "load": "prioria.model",
    "fit": "prioria.train",
    "Run": "prioria.train",
}

__all__ = [
    "VAE",
    "Run",
    "adopt",
    "build",
    "data",
    "distributions",
    "evaluate",
    "explore",
    "export",
    "fit",
    "likelihoods",
    "load",
    "nets",
    "objectives",
    "papers",
    "posteriors",
    "presets",
    "priors",
    "report",
    "stages",
    "theory",
    "train",
    "tuning",
]


def __getattr__(name: str) -> Any:
    # Lazy: `import prioria` and the command line's --help load no torch.
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"prioria.{name}")
    raise AttributeError(f"module 'prioria' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
