"""Structure on pages and by commands: edges with their prices and their spread over seeds, levels with their rates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from prioria import evaluate
from prioria.cli import main
from prioria.train import Run
from tests.commands.test_commands import arrays, call
from tests.report.test_page import Page

QUICK = ["--epochs", "2", "--batch-size", "500", "--network.hidden", "8", "8"]
GRAPH = ["--stages", "graph", "--stages.nodes", "3", "--stages.latents", "2", "--stages.hidden", "9"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two graphs of different seeds, and a ladder."""
    folder = tmp_path_factory.mktemp("structures")
    for seed in (0, 1):
        call("train", "digits", *GRAPH, *QUICK, "--learning-rate", 0.05, "--seed", seed, "--out", folder / str(seed))
    call("train", "digits", "--stages", "ladder", "--stages.groups", 2, 3, *QUICK, "--out", folder / "ladder")
    return folder


@pytest.mark.slow
def test_the_page_shows_the_graph_and_what_each_edge_is_worth(runs: Path) -> None:
    call("report", runs / "0", "--out", runs / "graph.html")
    page = Page(runs / "graph.html")
    assert "Latent dependency graph of 0" in page.pictures
    run = Run.load(runs / "0")
    for edge, mu in json.loads((runs / "0" / "structure.json").read_text()).items():
        assert f"{edge.replace('->', '→')} {mu:.3f}" in page.words
    for cost in evaluate.edge_costs(run.model, run.data.test.tensor(500), num_samples=10, seed=0).values():
        assert f"the bound loses {cost} nats without it" in page.words
    assert "Stability" not in page.words


@pytest.mark.slow
def test_runs_side_by_side_say_how_stable_edges_are(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("compare", runs / "0", runs / "1", "--out", runs / "both.html")
    words = Page(runs / "both.html").words
    call("graph", runs / "0", runs / "1", "--limit", 5, "--num-samples", 2, "--out", runs / "both.png")
    printed = capsys.readouterr().out
    graphs = [json.loads((runs / seed / "structure.json").read_text()) for seed in "01"]
    for edge in graphs[0]:
        values = [graph[edge] for graph in graphs]
        kept = f"kept in {np.mean(np.array(values) > 0.5):.0%}"
        assert f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}{kept}" in words
        assert f"{edge}  {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}  {kept}" in printed
    assert (runs / "both.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_a_hierarchy_without_gates_has_levels_and_no_graph(runs: Path) -> None:
    call("report", runs / "ladder", "--out", runs / "ladder.html")
    page = Page(runs / "ladder.html")
    assert {f"{name} of ladder" for name in ("z2: known", "z2: held", "z1: known", "z1: held")} <= set(page.pictures)
    assert "dependency graph" not in page.words
    run = Run.load(runs / "ladder")
    rate = evaluate.parts(run.model, run.data.test, num_samples=10, seed=0, limit=1000)["rate/z2"]
    assert f"rate {rate}; groups below it" in page.words


@pytest.mark.slow
def test_levels_are_encoded_and_explored_by_command(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for level, width in (("z2", 2), ("z1", 3)):
        call("encode", runs / "ladder", "digits", "--level", level, "--out", runs / "z.npz")
        assert arrays(runs / "z.npz")[level].shape == (300, width)
    call("explore", runs / "ladder", "--pairs", 1)
    printed = capsys.readouterr().out
    run = Run.load(runs / "ladder")
    found = evaluate.parts(run.model, run.data.test, num_samples=10, seed=0, limit=1000)
    assert f"level z2: rate {found['rate/z2']} nats" in printed and f"level z1: rate {found['rate/z1']}" in printed
    assert (runs / "ladder" / "exploration" / "levels.png").stat().st_size > 1000


def test_a_run_without_gates_has_no_graph_to_draw(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["graph", str(runs / "ladder")])
    assert "--stages graph" in capsys.readouterr().err
