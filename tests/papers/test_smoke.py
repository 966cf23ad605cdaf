"""Every table at the smoke budget: one command, two steps a row, and a page that says what was run and what was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from markupsafe import escape

from prioria.cli import main
from prioria.data.known.catalogue import BY_NAME
from prioria.papers import TABLES
from prioria.papers.columns import numbers
from prioria.report.listing import Page


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
    pages = [(tmp_path / f"{name}.{suffix}").read_text(encoding="utf-8") for suffix in ("md", "html")]
    page = TABLES[name].page(TABLES[name], tmp_path, [])
    check_listings(page, *pages)
    check_published(name, pages[0])
    for image in (*page.plots, *page.images, *page.gallery):
        assert (tmp_path / image.file).stat().st_size > 100 and all(image.file in text for text in pages)
    results = [json.loads(path.read_text()) for path in (tmp_path / name).rglob("*.json")]
    assert {result["budget"]["name"] for result in results} == {"smoke"}
    assert {result["data"] for result in results} == {TABLES[name].data[0]}
    assert {result["row"] for result in results} == {
        row.name for row in TABLES[name].rows if not row.absent and "smoke" not in row.on_request
    }


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_the_three_budgets_of_the_command(name: str) -> None:
    assert {"smoke", "cpu", "gpu"} <= set(TABLES[name].budgets)


def check_listings(page: Page, markdown: str, html: str) -> None:
    """Every row is on both pages with its details, and says which code made it."""
    for listing in page.listings:
        for entry in listing.entries:
            assert len(entry.cells) == len(listing.columns)
            assert f"{' | '.join(entry.cells[1:])} |" in markdown
            assert str(escape(entry.cells[0])) in html
            assert all(f"{heading}: {text}" in markdown for heading, text in entry.details.items())
        if listing.columns and listing.columns[0] == "row" and listing.title != "Straight lines":
            assert all(entry.details.get("version", "torch").count("torch") == 1 for entry in listing.entries)


def check_published(name: str, markdown: str) -> None:
    """Every published number stands beside its row, or in the line of what was not run."""
    table = TABLES[name]
    titles = {row.name: row.title for row in table.rows}
    for cells in table.published.cells.values():
        for row, value in cells.items():
            lines = [line for line in markdown.splitlines() if titles[row] in line]
            assert any(numbers(value) in line for line in lines)
