"""What a prior shares with the model that it belongs to, found by looking: nobody needs to declare it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def held(module: nn.Module) -> set[nn.Module]:
    """Returns a module, its parts, and every other module in its attributes, also in tuples, lists and dicts of them.

    Example:
        >>> prior, encoder = nn.Identity(), nn.Linear(2, 2)
        >>> prior.shared = (encoder,)
        >>> encoder in held(prior), encoder in set(prior.modules())
        (True, False)
    """
    found: set[nn.Module] = set()
    waiting: list[Any] = [module]
    while waiting:
        match waiting.pop():
            case nn.Module() as part if part not in found:
                found.add(part)
                waiting.extend(vars(part).values())
            case Mapping() as parts:
                waiting.extend(parts.values())
            case tuple() | list() | set() as parts:
                waiting.extend(parts)
    return found


def check_owned(group: str, prior: nn.Module, encoder: nn.Module, posterior: nn.Module) -> None:
    """Raises ValueError where a prior uses a network that is neither a part of it nor the model's own.

    Such a network would be neither trained nor saved with the model, nor follow the one that it is a copy of.
    """
    known = {*prior.modules(), *held(encoder), *held(posterior)}
    if held(prior) - known:
        raise ValueError(
            f"prior of {group!r} was built on another encoder or posterior; pass the model's own objects to it, or "
            "make the network an attribute of the prior, which registers it"
        )


def check_moments(prior: nn.Module, encoder: nn.Module, posterior: nn.Module) -> None:
    """Raises ValueError where a prior shares batch normalization with the encoder or the posterior.

    In training it takes the moments of a batch: what the prior encodes, such as pseudo-inputs, is a batch of its own,
    and would have other posteriors than the same rows of data. Outside training the moments are the same for both.
    """
    if any(isinstance(part, _BatchNorm) for part in held(prior) & (held(encoder) | held(posterior))):
        raise ValueError(
            f"prior={type(prior).__name__} shares an encoder or a posterior with batch normalization, under which what "
            "it encodes, such as pseudo-inputs, is not encoded as data are; use networks without it, such as "
            "nets.MLP(batch_norm=False), or refit the prior afterwards"
        )
