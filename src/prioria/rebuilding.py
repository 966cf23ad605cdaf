"""From the JSON of a module back to the module, trusting none of it.

Only the parts of models and of training are built, by names that are compared with what prioria exports and never
imported; no more weights are made than the file beside holds; and what a constructor refuses is one line.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from prioria.atomic import error_text
from prioria.memory import Counted
from prioria.module import Module
from prioria.spelling import closest

PACKAGES = (  # of what a model or a training is made; none of their constructors takes a path
    "adoption",
    "flows",
    "likelihoods",
    "model",
    "nets",
    "objectives",
    "posteriors",
    "priors",
    "stage",
    "stages",
    "starts",
    "theory",
    "train",
)
DEPTH = 64  # of one part within another
COUNT = 10**6  # the largest number of a description, where the weights have not as many elements
SPARE = 64  # tensors beside those of the weights
DTYPES = {
    str(kind).removeprefix("torch."): kind
    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64, torch.bool)
}


@dataclass(frozen=True)
class Limit:
    """What a description may ask for at most: what its weights are.

    Attributes:
        tensors: how many.
        elements: of all of them.
    """

    tensors: int
    elements: int

    @classmethod
    def of(cls, shapes: Sequence[torch.Size], modules: Mapping[str, nn.Module] | None = None) -> Limit:
        """Returns the limit for weights of these shapes, beside modules that are there already."""
        own = [each.shape for module in (modules or {}).values() for each in [*module.parameters(), *module.buffers()]]
        both = [*shapes, *own]
        return cls(len(both), sum(shape.numel() for shape in both))


def rebuild(description: Any, *, modules: dict[str, nn.Module] | None = None, limit: Limit | None = None) -> Any:
    """Builds the module that :func:`prioria.module.describe` wrote down; weights are loaded afterwards.

    With a limit it is refused as soon as it asks for more, before that is allocated.

    Args:
        description: JSON values.
        modules: those that are not prioria's, by path.
        limit: of the weights; None where the description is one's own.

    Raises:
        ValueError: a class is no part of models of prioria, arguments that it does not take, more weights than there
            are, or a module that is not prioria's is missing from ``modules``.
    """
    _check(description, COUNT if limit is None else max(COUNT, limit.elements))
    missing = [path for path in foreign(description) if path not in (modules or {})]
    if missing:
        raise ValueError(
            f"modules lacks {', '.join(missing)}: not prioria's own; pass load(path, modules={{{missing[0]!r}: ...}})"
        )
    with nullcontext() if limit is None else _limited(limit):
        return _rebuild(description, modules=modules or {}, built=[])


def _check(item: Any, most: int, depth: int = 0) -> None:
    """Refuses what no module describes: too deep, or a number that no constructor could make a module of."""
    if depth > DEPTH:
        raise ValueError(f"the architecture is more than {DEPTH} parts deep; no model of prioria is")
    if isinstance(item, int) and abs(item) > most:
        raise ValueError(f"the architecture has the number {item:.3g}, for weights of at most {most:,} elements")
    for part in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
        _check(part, most, depth + 1)


@contextmanager
def _limited(limit: Limit) -> Iterator[None]:
    """Refuses to make more elements or to register more tensors than the limit allows, whoever makes them."""
    found = 0
    says = f"and its weights are {limit.tensors:,} of {limit.elements:,} elements"

    def count(module: nn.Module, name: str, value: Tensor | None) -> None:
        nonlocal found
        found += value is not None
        if found > 4 * limit.tensors + SPARE:  # some are registered twice, or not saved, such as masks
            raise ValueError(f"the architecture asks for more than {found:,} tensors, {says}")

    def refuse(elements: int) -> ValueError:
        return ValueError(f"the architecture asks for {elements:,} elements, {says}")

    handles = (register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count))
    try:
        with Counted(8 * limit.elements + COUNT, refuse):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _rebuild(item: Any, *, modules: dict[str, nn.Module], built: list[nn.Module]) -> Any:
    again = functools.partial(_rebuild, modules=modules, built=built)
    match item:
        case {"class": str(name), "args": dict(args)}:
            built.append(_construct(public_class(name), {key: again(value) for key, value in args.items()}))
            return built[-1]
        case {"foreign": str(path)}:
            built.append(modules[path])
            return built[-1]
        case {"ref": int(number)} if 0 <= number < len(built):
            return built[number]
        case {"tensor": list(shape), "dtype": str(dtype)} if dtype in DTYPES and all(map(_is_size, shape)):
            return torch.zeros(shape, dtype=DTYPES[dtype])
        case {"tuple": list(items)}:
            return tuple(again(value) for value in items)
        case {"dict": dict(items)}:
            return {key: again(value) for key, value in items.items()}
        case dict():
            raise ValueError(f"the architecture has {str(item)[:80]}, which is no part of a module")
        case list():
            return [again(value) for value in item]
        case _:
            return item


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _construct(cls: type[Module], args: dict[str, Any]) -> Module:
    parameters = inspect.signature(cls.__init__).parameters.values()
    unknown = set(args) - {parameter.name for parameter in parameters}
    if unknown:
        raise ValueError(
            f"{cls.__name__} has no argument {sorted(unknown)}; was the model saved by another version of prioria?"
        )
    variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    hints = _hints(cls)
    for name, value in args.items():
        if name != variadic and not _fits(value, hints.get(name, Any)):
            raise ValueError(
                f"{cls.__name__} cannot be built with {name}={str(value)[:80]!r}, which is of another type"
            )
    try:
        if variadic is None:
            return cls(**args)
        return cls(*args.pop(variadic, ()), **args)  # none: no constructor was written
    except (ValueError, MemoryError, OSError):
        raise
    except Exception as error:  # whatever a constructor makes of arguments that it was never written for
        raise ValueError(f"{cls.__name__} cannot be built of what is saved ({error_text(error)[:200]})") from error


@functools.cache
def _hints(cls: type[Module]) -> dict[str, Any]:
    """Returns the types of a constructor's arguments; none where one is known to type checkers alone."""
    try:
        return get_type_hints(cls.__init__)
    except NameError:
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type as far as that is plain: a number, a truth, a text, a module, or one of several."""
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if hint is float or hint is int:
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    if isinstance(hint, type) and issubclass(hint, nn.Module):
        return isinstance(value, nn.Module)  # of whatever class: a stranger's part need not be of ours
    return hint not in (bool, str, NoneType) or isinstance(value, hint)


def foreign(description: Any) -> list[str]:
    """Returns the paths of the modules in a description that are not prioria's."""
    match description:
        case {"foreign": str(path)}:
            return [path]
        case dict():
            return [path for value in description.values() for path in foreign(value)]
        case list():
            return [path for value in description for path in foreign(value)]
        case _:
            return []


@functools.cache
def loadable() -> dict[str, type[Module]]:
    """Returns every class that is built from a file, by the name that :func:`prioria.module.public_name` gives it."""
    packages = {name: importlib.import_module(f"prioria.{name}") for name in PACKAGES}
    classifier = importlib.import_module("prioria.evaluate").Classifier  # the other extractors there open weights
    return {"evaluate.Classifier": classifier} | {
        f"{name}.{found.__name__}": found
        for name, package in packages.items()
        for found in vars(package).values()
        if isinstance(found, type) and issubclass(found, Module) and found.__module__.startswith(package.__name__)
    }


def public_class(name: str) -> type[Module]:
    """Returns the class that prioria exports under a name, such as ``priors.Mixture``.

    Raises:
        ValueError: prioria exports no part of models of that name.
    """
    if name not in loadable():
        raise ValueError(f"class {name[:80]!r} is not exported by prioria as a part of models; {_hint(name[:80])}")
    return loadable()[name]


def _hint(name: str) -> str:
    found = closest(name, loadable().keys())
    return f"did you mean {found}?" if found else "only prioria's own parts are loaded"
