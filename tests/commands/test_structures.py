"""Hierarchies from the command line: every kind trains on digits, and what does not go together is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from prioria import stages
from prioria.cli import main
from prioria.train import Run
from tests.commands.test_commands import call

QUICK = ["--epochs", "1", "--batch-size", "500"]
NETWORK = ["--network.hidden", "8", "8"]
KINDS = {
    "ladder": [*NETWORK, "--stages.groups", "2", "3", "4", "--stages.hidden", "9"],
    "binary": [*NETWORK, "--stages.groups", "2", "3", "--stages.root", "evidence"],
    "graph": [*NETWORK, "--stages.nodes", "3", "--stages.latents", "2", "--stages.edges", "chain"],
    "conv-ladder": ["--stages.groups", "1", "2", "--stages.channels", "4", "--stages.latents", "2"],
}


def trained(kind: str, folder: Path, *more: str) -> Run:
    call("train", "digits", "--stages", kind, *KINDS[kind], *QUICK, *more, "--out", folder)
    return Run.load(folder)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("ladder", {"z3": (2,), "z2": (3,), "z1": (4,)}),
        ("binary", {"z2": (2,), "z1": (3,)}),
        ("graph", {"z3": (2,), "z2": (2,), "z1": (2,)}),
        ("conv-ladder", {"z3": (2, 2, 2), "z2": (2, 4, 4), "z1": (2, 4, 4)}),
    ],
)
def test_each_kind_trains_with_the_groups_that_were_asked_for(kind: str, sizes: dict, tmp_path: Path) -> None:
    draw = trained(kind, tmp_path / "run").model.generate(3)
    assert {name: tuple(z.shape[2:]) for name, z in draw.z.items()} == sizes
    assert draw.px.mean.shape == (1, 3, 64)


def test_bits_train_by_score_function_from_several_draws(tmp_path: Path) -> None:
    more = ["--stages.no-straight-through", "--objective.num-samples", "2"]
    run = trained("binary", tmp_path / "run", *more)
    assert all(p.isfinite().all() for p in run.model.parameters())


@pytest.mark.slow
def test_a_learned_graph_takes_two_phases_with_flows_and_goes_on_where_it_was(tmp_path: Path, capsys) -> None:
    command = ["train", "digits", "--stages", "graph", *NETWORK, "--stages.nodes", "3", "--stages.latents", "2"]
    command += ["--stages.flow-steps", "1", "--stages.structure-epochs", "1", "--batch-size", "500"]
    call(*command, "--epochs", 2, "--out", tmp_path / "run")
    learned = json.loads((tmp_path / "run" / "structure.json").read_text())
    assert list(learned) == ["z3 -> z2", "z3 -> z1", "z2 -> z1"] and all(0 < mu < 1 for mu in learned.values())
    found = stages.edge_probabilities(Run.load(tmp_path / "run").model.stages)
    assert list(found.values()) == [float(mu > 0.5) for mu in learned.values()]
    call(*command, "--epochs", 3, "--out", tmp_path / "run")
    for name, *rows in (["sample"], ["encode", "digits"]):
        with pytest.raises(SystemExit):
            main([name, str(tmp_path / "run" / "structure"), *rows, "--out", str(tmp_path / "x.npz")])
        assert "gates are still random" in capsys.readouterr().err
    history = Run.load(tmp_path / "run").history
    assert [line["epoch"] for line in history if line["split"] == "validation"] == [1, 2]
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(SystemExit):
        main(["train", "--resume", str(tmp_path / "run")])
    assert "give the command that began it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stages", "ladder", "--prior", "vamp"], "prior does not go with stages ladder"),
        (["--stages", "graph", "--posterior", "iaf"], "posterior does not go with stages graph"),
        (["--stages", "graph", "--latents", "3"], "latents does not go with"),
        (["--stages", "binary", "--levels", "2"], "levels does not go with"),
        (["--stages", "ladder", "--stages.nodes", "3"], "it is an option of graph"),
        (["--stages", "conv-ladder", "--network", "mlp"], "leave it out"),
        (["--stages", "ladder", "--network", "conv"], "network conv does not go with stages ladder"),
        (["--stages", "binary", "--network", "residual"], "use gated or mlp for the decoder"),
        (["--stages", "ladder", "--latents", "0"], "latents does not go with"),
        (["--stages", "ladder", "--stages.groups", "0"], "positive sizes"),
        (["--stages", "graph", "--stages.latents", "1", "--stages.flow-steps", "1"], "latents=1"),
        (["--stages", "graph", "--epochs", "1"], "both phases need at least one"),
        (["--stages", "graph", "--overwrite"], "goes on with what is in"),
        (["--stages.groups", "3"], "stages.groups needs a kind"),
        (["--stages", "graph", "--stages.edges", "chain", "--stages.warm-start"], "stages.warm_start is for edges"),
        (["--stages", "graph", "--stages.edges", "full", "--stages.decay", "0.5"], "leave out stages.edges full"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], message: str, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "digits", *arguments, "--out", str(tmp_path / "run")])
    said = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2 and len(said) == 1 and message in said[0], said
    assert not list(tmp_path.iterdir())


def test_feature_maps_need_pictures(tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(40, 5)))
    with pytest.raises(SystemExit):
        main(["train", str(tmp_path / "rows.npy"), "--stages", "conv-ladder", "--out", str(tmp_path / "run")])
    assert "stages conv-ladder needs images" in capsys.readouterr().err
