"""The states of every generator that training may use: torch's, the device's, numpy's and Python's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import Accelerator


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


class Generators:
    """The generators of all processes, as a checkpoint keeps them.

    Args:
        accelerator: of this process.
        again: seeds, where states were saved on other devices: the noise is another, but still a function of the seed.
    """

    def __init__(self, accelerator: Accelerator, again: tuple[int, ...]) -> None:
        self.accelerator, self.again = accelerator, again

    def state_dict(self) -> dict[str, Tensor]:
        """Returns the states of all processes, one in each row."""
        return {name: self._gathered(state[None]) for name, state in capture(self.accelerator.device).items()}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Sets the generators of this process, to their states where devices and processes are those of before."""
        same_kind = state_dict.keys() == capture(self.accelerator.device).keys()
        if same_kind and len(state_dict["torch"]) == self.accelerator.num_processes:
            rank = self.accelerator.process_index
            restore({name: each[rank] for name, each in state_dict.items()}, self.accelerator.device)
        else:
            seed_all(*self.again)

    def _gathered(self, state: Tensor) -> Tensor:
        if self.accelerator.num_processes == 1:
            return state
        gathered = self.accelerator.gather(state.to(self.accelerator.device))
        assert isinstance(gathered, Tensor)
        return gathered.cpu()


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
