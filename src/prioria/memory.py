"""What a request would need in memory, asked before anything is allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

GROUP = Path("/sys/fs/cgroup/memory.max")  # of a container
FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye, torch.arange}
TRAINED = 16  # bytes of a weight in training: itself, its gradient and Adam's two moments


def installed() -> int:
    """Returns the bytes of memory that this machine, or the container, has."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**40
    with suppress(OSError, ValueError):  # "max", or another system
        found = min(found, int(GROUP.read_text()))
    return found


def check_memory(name: str, count: int, each: int) -> None:
    """Raises ValueError where so many things of so many bytes are more than the memory there is.

    Example:
        >>> check_memory("--num-samples", 10**14, 256)
        Traceback (most recent call last):
        ...
        ValueError: --num-samples 100000000000000 needs about 26 PB of memory, and there are ...; use a smaller number
    """
    if count * each > installed():
        have = shown(installed())
        raise ValueError(
            f"{name} {count} needs about {shown(count * each)} of memory, and there are {have}; use a smaller number"
        )


def shown(size: int | float) -> str:
    """Returns a number of bytes in words.

    Example:
        >>> shown(8e12)
        '8 TB'
    """
    power = min(int(math.log10(max(size, 1)) // 3), 6)
    return f"{size / 1000**power:.2g} {('bytes', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB')[power]}"


@contextmanager
def building() -> Iterator[None]:
    """Refuses, while a model is built, weights that could not be trained in the memory there is.

    Raises:
        ValueError: the weights so far and the next one need more.
    """

    def refuse(elements: int) -> ValueError:
        return ValueError(
            f"the model needs about {shown(TRAINED * elements)} of memory to be trained, and there are "
            f"{shown(installed())}; use smaller numbers of latents, units, layers or components"
        )

    with Counted(installed() // TRAINED, refuse):
        yield


class Counted(TorchFunctionMode):
    """Counts the elements of new tensors, and refuses the one that would be too many before it is there.

    Args:
        most: elements.
        refuse: returns the error, given how many there would be.
    """

    def __init__(self, most: int, refuse: Callable[[int], ValueError]) -> None:
        super().__init__()
        self.elements, self.most, self.refuse = 0, most, refuse

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in FACTORIES:
            self.elements += _elements(func, args, kwargs)
            if self.elements > self.most:
                raise self.refuse(self.elements)
        return func(*args, **kwargs)


def _elements(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    if func is torch.arange:
        return int(max((each for each in args if isinstance(each, int)), default=0))
    size = kwargs.get("size", args[0] if args and isinstance(args[0], (tuple, list)) else args)
    found = math.prod(each for each in size if isinstance(each, int)) if isinstance(size, (tuple, list)) else 0
    return found**2 if func is torch.eye and len(args) == 1 else found
