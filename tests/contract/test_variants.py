"""Nothing that is exported is left out of the list of all variants, so that the contract runs over it."""

from __future__ import annotations

import inspect
import re
from types import ModuleType

import pytest
from torch import nn

from prioria import likelihoods, objectives, posteriors, priors, stages
from prioria.stage import Stage
from tests.contract.variants import MODELS, OBJECTIVES, POINTS

MODULES = [module for build in (MODELS | POINTS).values() for module in build().modules()]
OBJECTS = [module for build in OBJECTIVES.values() for module in build(2).modules()]


def exported(part: ModuleType, kind: type) -> set[type]:
    return {each for each in vars(part).values() if isinstance(each, type) and issubclass(each, kind)}


def used(modules: list[nn.Module]) -> set[type]:
    return {type(module) for module in modules}


@pytest.mark.parametrize(
    ("part", "kind", "listed"),
    [
        (priors, nn.Module, used(MODULES) | {priors.Prior}),
        (posteriors, nn.Module, used(MODULES)),
        (likelihoods, nn.Module, used(MODULES)),
        (stages, Stage, used(MODULES)),
        (objectives, objectives.Objective, used(OBJECTS) | {objectives.Objective}),
    ],
    ids=["priors", "posteriors", "likelihoods", "stages", "objectives"],
)
def test_every_part_that_is_exported_is_in_the_list(part: ModuleType, kind: type, listed: set[type]) -> None:
    missing = exported(part, kind) - listed
    names = sorted(each.__name__ for each in missing)
    assert not names, f"add {', '.join(names)} of {part.__name__} to tests/contract/variants.py"


MAKERS = [
    name
    for name, each in vars(stages).items()
    if inspect.isfunction(each) and re.search(r"\bStages?\b", str(inspect.signature(each).return_annotation))
]


@pytest.mark.parametrize("name", MAKERS)
def test_every_function_that_makes_stages_is_in_the_list(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They return stages of classes that they share: what tells is that the list calls them."""
    called, make = [], getattr(stages, name)
    monkeypatch.setattr(stages, name, lambda *args, **options: called.append(name) or make(*args, **options))
    for build in MODELS.values():
        build()
    assert called, f"add stages.{name} to tests/contract/variants.py"
