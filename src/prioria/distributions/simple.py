"""The simple families with one event dimension declared.

torch's argument validation is off here: it would scan every parameter of every step, and a non-finite parameter must
reach the loss, where training names the term and the stage, instead of raising deep inside a forward.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Independent, Normal


def normal(mean: Tensor, scale: Tensor, event_dims: int = 1) -> Independent:
    """Diagonal Gaussian N(mean, diag(scale^2)) with the last ``event_dims`` axes as the event."""
    return Independent(Normal(mean, scale, validate_args=False), event_dims, validate_args=False)


def bernoulli(logits: Tensor, event_dims: int = 1) -> Independent:
    """Product of Bernoulli(sigmoid(logits)) with the last ``event_dims`` axes as the event."""
    return Independent(Bernoulli(logits=logits, validate_args=False), event_dims, validate_args=False)


def categorical(logits: Tensor, event_dims: int = 1) -> Independent:
    """Product of Categorical(softmax(logits)): logits (..., D, C), values (..., D) in 0..C-1."""
    return Independent(Categorical(logits=logits, validate_args=False), event_dims, validate_args=False)


def at_least_float32(parameters: Tensor) -> Tensor:
    """Returns the output of a network as parameters of a density: networks may run in half precision, densities may
    not.
    """
    return parameters.float() if parameters.dtype in (torch.bfloat16, torch.float16) else parameters
