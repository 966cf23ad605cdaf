"""Every table at the smoke budget: one command, two steps a row, and a page that says what was run and what was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prioria.cli import main
from prioria.data.known.catalogue import BY_NAME
from prioria.papers import TABLES

KNOWN = ("data", "row", "method", "budget", "seeds", "published", "published FID, FID(LP), sKL, NLL")


def marked(name: str):
    known = BY_NAME.get(TABLES[name].data[0])
    real = [pytest.mark.data] if known is not None and known.files else []
    return pytest.param(name, marks=[pytest.mark.slow, *real])


@pytest.mark.filterwarnings("ignore:gamma=15.0 > beta=4.0:UserWarning")  # the published weights of beta-TCVAE
@pytest.mark.filterwarnings("ignore:the target .* was not met:UserWarning")
@pytest.mark.parametrize("name", [marked(name) for name in TABLES])
def test_smoke_budget_leaves_a_page(name: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["reproduce", name, "--budget", "smoke", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path)])
    assert not end.value.code
    stored = json.loads((tmp_path / f"{name}.json").read_text())
    pages = [(tmp_path / f"{name}.{suffix}").read_text(encoding="utf-8") for suffix in ("md", "html")]
    check_sections(stored["sections"], pages)
    check_published(name, stored["sections"])
    for picture in (*stored["pictures"], *stored["gallery"]):
        assert (tmp_path / picture["file"]).stat().st_size > 100 and all(picture["file"] in page for page in pages)
    results = [json.loads(path.read_text()) for path in (tmp_path / name).rglob("*.json")]
    assert {result["budget"]["name"] for result in results} == {"smoke"}
    assert {result["data"] for result in results} == {TABLES[name].data[0]}
    assert {result["row"] for result in results} == {
        row.name for row in TABLES[name].rows if not row.absent and "smoke" not in row.on_request
    }


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_the_three_budgets_of_the_command(name: str) -> None:
    assert {"smoke", "cpu", "gpu"} <= set(TABLES[name].budgets)


def check_sections(sections: list[dict], pages: list[str]) -> None:
    """Every line is on both pages, and what was not run is empty but for its names and what was published."""
    for section in sections:
        for line in section["lines"]:
            assert len(line) == len(section["columns"])
            assert f"| {' | '.join(line)} |" in pages[0]
            assert line[0] in pages[1]
            cells = dict(zip(section["columns"], line, strict=True))
            if "not run" in line:
                assert not any(text for column, text in cells.items() if column not in KNOWN)
            elif cells.get("budget") == "smoke":
                assert cells.get("version", "torch").count("torch") == 1


def check_published(name: str, sections: list[dict]) -> None:
    """Every published number stands in its own line."""
    table = TABLES[name]
    titles = {row.name: row.title for row in table.rows}
    lines = [line for section in sections for line in section["lines"]]
    for data, cells in table.published.cells.items():
        for row, value in cells.items():
            text = f"{value:.2f}" if isinstance(value, float) else ", ".join(f"{each:g}" for each in value)
            assert any(line[:2] == [data, titles[row]] and text in line for line in lines)
