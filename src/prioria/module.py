"""Modules that remember how they were built, and the JSON that rebuilds them.

A saved model is two files: its weights (safetensors) and its architecture, the constructor arguments of every prioria
module as JSON. Nothing is unpickled and no name outside prioria is ever resolved.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from prioria.spelling import check_keywords


@dataclass(frozen=True)
class TensorArgument:
    """Shape and type of a tensor given to a constructor; its values are in the weights."""

    shape: tuple[int, ...]
    dtype: str


class Module(nn.Module):
    """An ``nn.Module`` that records its constructor arguments, so that it can be saved without pickle.

    Example:
        >>> from prioria.nets import GatedMLP
        >>> describe(GatedMLP(4, 3, 2))["args"]
        {'sizes': {'tuple': [4, 3, 2]}, 'gated_output': False}
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)


def _recording(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)
    known = list(signature.parameters)[1:]
    variadic = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())

    @functools.wraps(init)
    def recorded(self: Module, *args: Any, **kwargs: Any) -> None:
        if "_arguments" not in self.__dict__:  # the outermost constructor is the one to call again
            if not variadic:
                check_keywords(type(self).__name__, kwargs, known)
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            arguments = dict(list(bound.arguments.items())[1:])
            object.__setattr__(self, "_arguments", {name: _without_values(value) for name, value in arguments.items()})
        init(self, *args, **kwargs)

    return recorded


def _without_values(value: Any) -> Any:
    if isinstance(value, Tensor):
        return TensorArgument(tuple(value.shape), str(value.dtype).removeprefix("torch."))
    return value.to_json() if hasattr(value, "to_json") else value  # a schema of columns, which is read back as that


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Puts every module into evaluation mode, and each back into its own afterwards."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


def describe(module: nn.Module) -> dict[str, Any]:
    """Returns the constructor arguments of a module and of all it is made of, as JSON values.

    A module met twice is written once and referred to by number afterwards. A module that is not prioria's (a user's
    subclass too) is written as ``{"foreign": path}``.
    """
    return _describe(module, path="", seen={})


def _describe(value: Any, *, path: str, seen: dict[int, int]) -> Any:
    match value:
        case nn.Module() if id(value) in seen:
            return {"ref": seen[id(value)]}
        case Module() if type(value).__module__.startswith("prioria."):
            arguments = value.__dict__.get("_arguments", {})  # none where no constructor was written
            args = {
                name: _describe(item, path=f"{path}.{name}".lstrip("."), seen=seen) for name, item in arguments.items()
            }
            seen[id(value)] = len(seen)  # after its parts: the order in which they are rebuilt
            return {"class": public_name(type(value)), "args": args}
        case nn.Module():
            seen[id(value)] = len(seen)
            return {"foreign": path}
        case TensorArgument(shape, dtype):
            return {"tensor": list(shape), "dtype": dtype}
        case tuple() | list():
            items = [_describe(item, path=f"{path}.{index}", seen=seen) for index, item in enumerate(value)]
            return {"tuple": items} if isinstance(value, tuple) else items
        case dict():
            return {"dict": {str(key): _describe(item, path=f"{path}.{key}", seen=seen) for key, item in value.items()}}
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError(f"{path}={value!r} cannot be written as JSON; pass numbers, text, tensors or modules")


def public_name(cls: type[Module]) -> str:
    """Returns where prioria exports a class, such as ``priors.Mixture``."""
    return f"{cls.__module__.split('.')[1]}.{cls.__name__}"
