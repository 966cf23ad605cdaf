"""Two phases in one call: what is learned first is what is trained second, and either may be stopped."""

from __future__ import annotations

import pytest
import torch

from prioria import VAE, likelihoods, nets, objectives, stages
from prioria.data import load
from prioria.data.base import Dataset
from prioria.train import Run, fit, fit_dependency_graph
from prioria.train.structure import read_structure

OPTIONS = {"batch_size": 50, "learning_rate": 1e-2, "progress": False}


def build(edges) -> VAE:
    return VAE(
        encoder=nets.MLP(64, 8, activate_output=True),
        stages=stages.DependencyGraph(nodes=3, latents=2, features=8, hidden=8, edges=edges, decay=0.5),
        likelihood=likelihoods.Bernoulli(nets.MLP(6, 64)),
    )


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def two_phases(data: Dataset, folder, **options) -> Run:
    return fit_dependency_graph(build, objectives.ELBO, data, epochs=(2, 2), out=folder, options=OPTIONS, **options)


@pytest.mark.slow
def test_the_second_phase_trains_the_structure_of_the_first(digits, tmp_path) -> None:
    run = two_phases(digits, tmp_path)
    learned = stages.edge_probabilities(Run.load(tmp_path / "structure", data=digits).model.stages)
    assert all(0 < mu < 1 and mu != 0.5 for mu in learned.values())
    assert stages.edge_probabilities(run.model.stages) == {edge: float(mu > 0.5) for edge, mu in learned.items()}


@pytest.mark.slow
def test_stopped_between_the_phases_or_within_the_second_it_ends_with_the_same_weights(digits, tmp_path) -> None:
    whole = two_phases(digits, tmp_path / "whole")
    stopped = tmp_path / "stopped"
    torch.manual_seed(0)
    fit(build(None), objectives.ELBO(), digits, epochs=2, out=stopped / "structure", **OPTIONS)
    fit_dependency_graph(build, objectives.ELBO, digits, epochs=(2, 1), out=stopped, options=OPTIONS)
    again = two_phases(digits, stopped)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_a_warm_start_keeps_the_weights_and_replaces_the_gates(digits, tmp_path) -> None:
    options = {**OPTIONS, "learning_rate": 1e-12}
    run = fit_dependency_graph(
        build, objectives.ELBO, digits, epochs=(1, 0), out=tmp_path, options=options, warm_start=True
    )
    first = Run.load(tmp_path / "structure", data=digits).model.state_dict()
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, first[name]) == (".gates." not in name), name


def test_a_folder_that_holds_another_run_is_refused_before_edges_are_learned(digits, tmp_path) -> None:
    fit(build([]), objectives.ELBO(), digits, epochs=1, out=tmp_path, **OPTIONS)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="holds a run whose edges were not learned; choose another folder"):
        two_phases(digits, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_run_that_is_written_over_leaves_no_probabilities(digits, tmp_path) -> None:
    two_phases(digits, tmp_path)
    assert read_structure(tmp_path)
    fit(build([]), objectives.ELBO(), digits, epochs=1, out=tmp_path, overwrite=True, **OPTIONS)
    assert read_structure(tmp_path) is None


@pytest.mark.slow
def test_edges_that_are_trained_are_not_learned_further(digits, tmp_path) -> None:
    two_phases(digits, tmp_path)
    learned = read_structure(tmp_path)
    for epochs in ((1, 2), (2, 3)):  # fewer than are done change nothing
        fit_dependency_graph(build, objectives.ELBO, digits, epochs=epochs, out=tmp_path, options=OPTIONS)
    with pytest.raises(ValueError, match=r"epochs=\(4, 4\) .* keep the 2 epochs of the first phase"):
        fit_dependency_graph(build, objectives.ELBO, digits, epochs=(4, 4), out=tmp_path, options=OPTIONS)
    assert read_structure(tmp_path) == learned
