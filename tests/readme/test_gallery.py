"""The programs of the gallery run as they stand, each draws a picture, and none warns; make docs runs them all."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from matplotlib import pyplot

GALLERY = sorted((Path(__file__).parents[2] / "docs" / "gallery").glob("plot_*.py"))
ON_A_PAGE = ("my_table", "my_counts")
QUICK = ("my_photos", "why_bad_samples", "dependency_graph", "likelihood_with_error_bar", "own_prior", "own_objective")


def _slow(path: Path) -> object:
    name = path.stem.split("_", 2)[2]
    marks = [] if name in QUICK else [pytest.mark.slow]
    if name in ON_A_PAGE:
        marks.append(pytest.mark.skip(reason="a minute: its page runs the same here, make docs runs it"))
    return pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("path", [_slow(path) for path in GALLERY])
def test_programs_of_the_gallery_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pyplot.switch_backend("Agg")
    try:
        runpy.run_path(str(path))
        assert pyplot.get_fignums()
    finally:
        pyplot.close("all")


def test_the_gallery_is_whole() -> None:
    assert len(GALLERY) == 14
    for path in GALLERY:
        title, line = path.read_text(encoding="utf-8").splitlines()[1:3]
        assert title and set(line) == {"="} and len(line) >= len(title)
