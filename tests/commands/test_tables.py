"""Every command on a run of a table with holes whose model has classes: an answer, or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from _pytest.mark.structures import ParameterSet

from prioria import fit, starts
from prioria.cli import main
from prioria.data import load
from prioria.objectives import Enumerated
from prioria.train import Run, resume
from tests.commands.test_commands import call


def table(count: int = 60) -> pd.DataFrame:
    noise = np.random.default_rng(0)
    c = noise.integers(0, 2, count)
    x = noise.normal(size=(count, 1)) * [1.0, -0.8] + 3 * c[:, None] + 0.3 * noise.normal(size=(count, 2))
    frame = pd.DataFrame(x, columns=["size", "weight"]).assign(
        visits=noise.poisson(2 + 3 * c), kind=np.array(["left", "right"])[(noise.random(count) < 0.2 + 0.6 * c) * 1]
    )
    return frame.mask(noise.random(frame.shape) < 0.15)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "visits.csv"
    table().to_csv(path, index=False)
    return path


def begin(file: Path, folder: Path, epochs: int) -> Run:
    """A run as any other, with checkpoints: of a start with a class on top, and the sum over the classes."""
    data = load(str(file))
    train, held = (part.tensor().numpy() for part in (data.train, data.validation))
    start = starts.mixture(train, held, data.protocol.schema, classes=(1, 2), budget=3e6)
    torch.manual_seed(0)
    model = starts.build(start, hidden=4, full=True)
    options = {"progress": False, "trackers": (), "batch_size": 20, "seed": 0}
    return fit(model, Enumerated(), data, epochs=epochs, out=folder, **options)


@pytest.fixture(scope="module")
def run(file: Path) -> Path:
    folder = file.parent / "run"
    begin(file, folder, 2)
    return folder


ANSWERED = [
    ("evaluate RUN --num-samples 20 --limit 2 --curve", "bound by K"),
    ("explore RUN", "Written:"),
    ("encode RUN FILE --out OUT.csv", "60 rows encoded"),
    ("score RUN FILE --out OUT.csv", "the lower, the stranger"),
    ("impute RUN FILE --out OUT.csv --draws 2", "missing entries of"),
    ("sample RUN --given kind=left -n 3", "left"),
    ("sample RUN --given size=1.5 --given kind=right -n 3", "right"),
    ("cite RUN", "ghahramani"),
]
LONG = [
    ("evaluate RUN --num-samples 20 --synthetic", "samples beside held-out rows"),
    ("evaluate RUN --limit 2 --method ais --num-steps 3", "annealed importance sampling"),
    ("evaluate RUN --limit 2 --method quadrature", "adaptive regions"),
    ("evaluate RUN --num-samples 20 --limit 2 --certify 2 --num-steps 3", "on simulations"),
    ("diagnose RUN", "Page:"),
    ("report RUN", "Page:"),
]


def listed(lines: list[tuple[str, str]], *marks: pytest.MarkDecorator) -> list[ParameterSet]:
    return [pytest.param(line, said, id=line.replace("RUN ", ""), marks=marks) for line, said in lines]


@pytest.mark.parametrize(("line", "said"), [*listed(ANSWERED), *listed(LONG, pytest.mark.slow)])
def test_the_command_answers(
    run: Path, file: Path, line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    words = [word.replace("RUN", str(run)).replace("FILE", str(file)).replace("OUT", out) for word in line.split()]
    call(*words)
    found = capsys.readouterr()
    assert said in found.out and "nan" not in found.out.lower()
    assert "Warning" not in found.err


REFUSED = [
    ("graph RUN", "is no dependency graph"),
    ("refit-prior RUN", "the posterior OneHotCategorical over discrete values"),
]


@pytest.mark.parametrize(("line", "why"), REFUSED, ids=[line.split()[0] for line, _ in REFUSED])
def test_the_command_says_in_one_line_why_not(
    run: Path, line: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(line.replace("RUN", str(run)).split())
    error = capsys.readouterr().err.strip()
    assert end.value.code == 2 and why in error and "\n" not in error


def test_a_packed_model_draws_the_same_rows_with_columns_given(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("pack", str(run), "--out", str(tmp_path / "model.zip"))
    capsys.readouterr()
    drawn = []
    for place in (run, tmp_path / "model.zip"):
        call("sample", str(place), "--given", "kind=left", "-n", "4", "--seed", "3")
        drawn.append(capsys.readouterr().out)
    assert drawn[0] == drawn[1] and drawn[0].count("left") == 4


def test_a_run_of_a_table_with_holes_goes_on_bit_for_bit(run: Path, file: Path, tmp_path: Path) -> None:
    whole = begin(file, tmp_path / "whole", 4)
    begin(file, tmp_path / "cut", 2)
    gone_on = resume(tmp_path / "cut", epochs=4, progress=False, trackers=())
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(gone_on.model.state_dict()[name], value, rtol=0, atol=0)
    assert [line.get("loss") for line in gone_on.history] == [line.get("loss") for line in whole.history]
