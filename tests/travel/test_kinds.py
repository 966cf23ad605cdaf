"""Runs on data of every kind work where the data are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prioria import presets
from tests.commands.test_commands import arrays, call


@pytest.mark.slow
def test_windows_of_a_table_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 2)).cumsum(0)
    pd.DataFrame(rows, columns=["level", "flow"]).to_csv(tmp_path / "river.csv", index=False)
    monkeypatch.chdir(tmp_path)
    options = ["--window", 16, "--step", 8, "--latents", 2, "--epochs", 1]
    call("train", "river.csv", *options, "--out", "run")
    Path("river.csv").rename("later.csv")
    call("score", "run", "later.csv", "--num-samples", 5, "--out", "s.csv")
    call("sample", "run", "--num-samples", 2, "--out", "x.npz")
    assert len(pd.read_csv("s.csv")) == (400 - 16) // 8 + 1 and arrays(Path("x.npz"))["x"].shape == (2, 2, 16)
    call("report", "run", "--data", "later.csv")
    call("interpolate", "run", "--data", "later.csv", "--nodes", 20, "--pairs", 2, "--neighbors", 3)
    assert Path("run/paths/strip.png").stat().st_size > 5000 and Path("run/sheet.png").stat().st_size > 20_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["documents", "table", "pictures", "series", "bits"])
def test_a_run_of_every_kind_that_took_no_option_travels(kind: str, tmp_path: Path, monkeypatch) -> None:
    """Networks that are cut short, not what is chosen without an option, are what makes it quick."""
    monkeypatch.setattr(presets, "STEPS", 4)
    rng = np.random.default_rng(1)
    rows = {
        "documents": rng.multinomial(30, [0.4, 0.3, 0.2, 0.1], 60),
        "table": rng.normal(size=(60, 3)) + 10,
        "pictures": rng.integers(0, 256, (30, 1, 16, 16)).astype(np.uint8),
        "series": rng.normal(size=(30, 2, 16)).cumsum(-1),
        "bits": rng.integers(0, 2, (60, 5)),
    }[kind]
    monkeypatch.chdir(tmp_path)
    if kind in ("documents", "table"):
        source = "rows.csv"
        pd.DataFrame(rows, columns=[f"c{d}" for d in range(rows.shape[1])]).to_csv(source, index=False)
    else:
        np.save(source := "rows.npy", rows)
    call("train", source, *([] if kind in ("documents", "table") else ["--epochs", 1]), "--out", "run")
    shutil.move(source, f"later{Path(source).suffix}")
    later = f"later{Path(source).suffix}"
    call("sample", "run", "--num-samples", 3, "--out", "x.npz")
    call("encode", "run", later, "--out", "z.npz")
    call("score", "run", later, "--num-samples", 5, "--out", "s.csv")
    assert np.isfinite(pd.read_csv("s.csv")["log_likelihood"]).all()
    assert arrays(Path("x.npz"))["x"].shape == (3, *rows.shape[1:])
    if kind == "table":
        holes = pd.read_csv(later).mask(lambda known: np.arange(known.size).reshape(known.shape) % 7 == 0)
        holes.to_csv("holes.csv", index=False)
        call("impute", "run", "holes.csv", "--draws", 2, "--num-samples", 20, "--out", "filled.csv")
        filled = pd.read_csv("filled.csv").query("draw == 2")[list(holes)].to_numpy()
        assert np.isfinite(filled).all()
        np.testing.assert_allclose(filled[holes.notna()], holes.to_numpy()[holes.notna()], rtol=1e-6)
