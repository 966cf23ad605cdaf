"""Every evaluation is called in the same way: f(model, x, *, num_samples=, seed=, limit=)."""

import inspect

import pytest
import torch

from prioria import evaluate
from tests.evaluate.test_log_likelihood import MODELS

FUNCTIONS = {name: getattr(evaluate, name) for name in evaluate.__all__ if inspect.isfunction(getattr(evaluate, name))}
OF_MODELS = {
    name: function
    for name, function in FUNCTIONS.items()
    if next(iter(inspect.signature(function).parameters)) == "model"
}
QUESTIONS = {"has_aggregate_density", "per_value", "top_posterior"}  # nothing is drawn
OTHER_COUNTS = {  # what stands in place of num_samples
    "aggregate_posterior": "its density is exact",
    "annealed_log_likelihood": "num_chains",
    "bound_curve": "counts",
    "diagnose": "each part has a count of its own",
    "disentanglement": "posterior means",
    "log_likelihood": "an option of the method",
    "quadrature_log_likelihood": "points",
    "reconstruction": "one draw of each row",
    "synthetic": "as many as rows are held out",
}


def test_the_lists_below_name_functions_that_exist():
    assert set(FUNCTIONS) > QUESTIONS | set(OTHER_COUNTS)
    assert len(OF_MODELS) > 20


@pytest.mark.parametrize("name", OF_MODELS)
def test_only_model_and_x_have_a_place(name: str):
    parameters = inspect.signature(OF_MODELS[name]).parameters.values()
    places = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert places in (["model"], ["model", "x"], ["model", "data"])  # the last where others are fitted to its rows
    assert not any(each.kind in (each.POSITIONAL_ONLY, each.VAR_POSITIONAL) for each in parameters)


@pytest.mark.parametrize("name", sorted(set(OF_MODELS) - QUESTIONS))
def test_names_and_defaults_are_the_same_everywhere(name: str):
    parameters = inspect.signature(OF_MODELS[name]).parameters
    assert name == "expected_seconds" or parameters["seed"].default == 0
    assert "num_samples" in parameters or name in OTHER_COUNTS
    if "x" in parameters:
        assert parameters["limit"].default == (10_000 if name == "disentanglement" else None)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_has_a_default_is_named(name: str):
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    assert not [
        each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.default != each.empty
    ]


def test_a_third_place_is_refused_rather_than_taken_for_a_threshold():
    with pytest.raises(TypeError, match="positional"):
        evaluate.active_units(MODELS["standard-prior"](), torch.ones(3, 6), 100)
