"""BibTeX of what a run used: ``references.json`` says which entries of ``references.bib`` need it, or why none does."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prioria.rebuilding import public_class
from prioria.report import evaluation
from prioria.train.run import check_step, read_specification

FOLDER = Path(__file__).parent


def citations(path: str | Path) -> str:
    """Returns the BibTeX entries of a run's model, objective, optimizer, data set and evaluation, each once.

    A class that is in no published paper's name, such as a diagonal Gaussian, has none; an argument such as the beta of
    the ELBO has its own where it differs from its default.

    Args:
        path: folder of a run.

    Raises:
        ValueError: there is no run in the folder.
    """
    specification = read_specification(Path(path))
    check_step(Path(path), specification)
    protocol = [f"data.{specification['data']['name']}", f"optimizer.{specification['options']['optimizer']}"]
    return _entries_of([*_names(specification["step"]), *protocol, *_evaluated(Path(path))])


def bibtex(description: Any) -> str:
    """Returns the BibTeX entries for a module as :func:`prioria.module.describe` wrote it.

    Example:
        >>> from prioria import priors
        >>> from prioria.module import describe
        >>> print(bibtex(describe(priors.RealNVP(2))).splitlines()[0])
        @inproceedings{bhalodia2020dpvaes,
    """
    return _entries_of(_names(description))


def methods() -> dict[str, list[str] | str]:
    """Returns what may be used -> keys of its BibTeX entries, or the reason why it has none.

    Names are classes, ``class.argument`` where it is not the default, ``class.argument=value``, ``data.name``,
    ``optimizer.name``, and ``evaluation.`` with the estimator or the certificate.
    """
    return json.loads((FOLDER / "references.json").read_text(encoding="utf-8"))


def entries() -> dict[str, str]:
    """Returns key -> BibTeX entry."""
    text = (FOLDER / "references.bib").read_text(encoding="utf-8").strip()
    return {re.split("[{,]", entry)[1]: entry for entry in text.split("\n\n")}


def _entries_of(names: Iterable[str]) -> str:
    keys, found = methods(), entries()
    used = dict.fromkeys(key for name in names for key in _keys(keys.get(name, [])))
    return "\n\n".join(found[key] for key in used)


def _keys(entry: list[str] | str) -> list[str]:
    return [] if isinstance(entry, str) else entry


def _evaluated(folder: Path) -> Iterator[str]:
    if (folder / evaluation.FILE).exists():
        found = evaluation.read(folder)
        yield f"evaluation.{found.estimator.partition(',')[0]}"
        if found.certificate is not None:
            yield "evaluation.certificate"


def _names(description: Any) -> Iterator[str]:
    match description:
        case {"class": str(name), "args": dict(args)}:
            yield name
            yield from _arguments(name, args)
            for value in args.values():
                yield from _names(value)
        case dict():
            for value in description.values():
                yield from _names(value)
        case list():
            for value in description:
                yield from _names(value)


def _arguments(name: str, args: dict[str, Any]) -> Iterator[str]:
    parameters = inspect.signature(public_class(name).__init__).parameters
    if unknown := sorted(args.keys() - parameters.keys()):
        raise ValueError(f"run.json: {name} has no argument {', '.join(unknown)}; bring the file back")
    yield from (f"{name}.{argument}" for argument, value in args.items() if parameters[argument].default != value)
    defaults = {argument: each.default for argument, each in parameters.items() if isinstance(each.default, bool)}
    values = defaults | {argument: value for argument, value in args.items() if isinstance(value, bool)}
    yield from (f"{name}.{argument}={json.dumps(value)}" for argument, value in values.items())
