"""The states of every generator that training may use: torch's, the device's, numpy's and Python's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


def capture(device: torch.device) -> dict[str, Tensor]:
    """Returns the states as tensors, so that safetensors can hold them."""
    return capture_torch(device) | {"numpy": _numpy_state(), "python": _python_state()}


def capture_torch(device: torch.device) -> dict[str, Tensor]:
    """Returns the states of torch's generators alone, which takes no time."""
    states = {"torch": torch.get_rng_state()}
    if device.type != "cpu":
        states["device"] = torch.get_device_module(device).get_rng_state()
    return states


def restore(states: dict[str, Tensor], device: torch.device) -> None:
    """Sets the states that :func:`capture` returned."""
    restore_torch(states, device)
    *keys, position, has_gauss, gauss = states["numpy"].tolist()
    legacy = ("MT19937", np.array(keys, dtype=np.uint32), int(position), int(has_gauss), gauss)
    np.random.set_state(legacy)
    *words, gauss = states["python"].tolist()
    random.setstate((3, tuple(int(word) for word in words), None if np.isnan(gauss) else gauss))


def restore_torch(states: dict[str, Tensor], device: torch.device) -> None:
    """Sets the states that :func:`capture_torch` returned."""
    torch.set_rng_state(states["torch"].clone())  # a row of a larger tensor is misread
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states["device"].clone())


def seed_all(*seeds: int) -> None:
    """Seeds every generator from several numbers, such as a seed and the number of a process."""
    seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def fork(device: torch.device) -> Iterator[None]:
    """Leaves every generator as it was before."""
    states = capture(device)
    try:
        yield
    finally:
        restore(states, device)


def _numpy_state() -> Tensor:
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return torch.tensor([*keys, position, has_gauss, gauss], dtype=torch.float64)


def _python_state() -> Tensor:
    _, words, gauss = random.getstate()
    return torch.tensor([*words, float("nan") if gauss is None else gauss], dtype=torch.float64)
