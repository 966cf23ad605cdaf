"""Cells by number, pages without training, and claims that refer to results, with the tiny table of two runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from prioria.cli import main
from prioria.papers import TABLES, claims
from prioria.papers.claims import Claim, all_claims, filled
from prioria.papers.columns import Case, Column, at
from prioria.storage import write_json
from tests.papers.tiny import TABLE

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def reproduce(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs the command on the tiny table and returns what it prints."""
    monkeypatch.setitem(TABLES, "tiny", TABLE)

    def run(*arguments: str) -> list[str]:
        with pytest.raises(SystemExit) as end:
            main(
                ["reproduce", "tiny", *arguments, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "results")]
            )
        printed = capsys.readouterr()
        assert not end.value.code, printed.err
        return printed.out.splitlines()

    return run


@pytest.mark.slow
def test_one_command_for_each_cell_gives_the_page_of_one_command_for_all(reproduce, tmp_path: Path) -> None:
    assert reproduce("--list-cells") == ["0  digits  few  seed 0: to do", "1  digits  many  seed 0: to do"]
    assert reproduce("--cell", "1")[0].startswith("digits  many  seed 0: ")
    assert [line.split(": ")[1] for line in reproduce("--list-cells")] == ["to do", "done"]
    assert not (tmp_path / "results/tiny.md").exists()  # cells may be computed side by side: none writes what all share
    reproduce("--cell", "0")
    kept = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")}
    assert len(kept) == 2
    reproduce("--render-only")
    page = (tmp_path / "results/tiny.md").read_bytes()
    reproduce()
    assert page == (tmp_path / "results/tiny.md").read_bytes()
    assert kept == {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")}


def test_a_page_is_rendered_where_no_run_is_at_hand(reproduce, tmp_path: Path) -> None:
    reproduce("--render-only")
    page = (tmp_path / "results/tiny.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("Not run")] == [
        "Not run (published numbers in brackets). No row of digits."  # nothing was published of any row
    ]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cell", "2", "--rows", "few"], "cell=2 is none of 0 to 0"),
        (["--cell", "0", "--jobs", "2"], "leave out --jobs"),
        (["--cell", "0", "--render-only"], "give one of them"),
    ],
)
def test_what_is_refused(arguments, says, monkeypatch, capsys) -> None:
    monkeypatch.setitem(TABLES, "tiny", TABLE)
    with pytest.raises(SystemExit, match="2"):
        main(["reproduce", "tiny", *arguments])
    assert says in capsys.readouterr().err


def test_columns_say_where_a_value_is_and_how_it_is_printed(tmp_path: Path) -> None:
    runs = [{"seed": seed, "found": {"values": [0.001 * seed, 2]}, "split": "test"} for seed in (1, 3)]
    case = Case(TABLE, tmp_path, "digits", TABLE.rows[0], "cpu", runs)
    assert Column("", "found.values.0", ".1f", scale=1000.0).text(case) == "2.0 ± 1.0"  # sd 1.41 over the root of two
    assert Column("", "found.values.0", ".1f", scale=1000.0, deviation=True).text(case) == "2.0 ± 1.4"
    assert Column("", "split").text(case) == "test" and Column("", "nowhere.at.all").text(case) == ""
    assert Column("", lambda case: case.title).text(case) == "few (cpu)"
    assert at({"a": 3}, "a.b") is None


def test_evidence_reads_its_numbers_off_the_results(tmp_path: Path) -> None:
    for seed, value in enumerate((1.0, 2.0)):
        write_json(tmp_path / f"tiny/digits/few/cpu-seed-{seed}.json", {"found": {"value": value}})
    text = "{tiny/digits/few/cpu-seed-*:found.value:.2f} and {tiny/digits/none/cpu-seed-*:found.value:.2f}"
    assert filled(text, tmp_path) == "1.50 and (not run)"
    with pytest.raises(ValueError, match="verdict='perhaps'"):
        Claim("", "", "perhaps", "")


def test_every_claim_refers_to_results_that_are_there_and_to_a_command_that_exists() -> None:
    found = all_claims()
    assert len({claim.source for claim in found}) == 5
    for claim in found:
        assert "(not run)" not in filled(claim.evidence, RESULTS), claim.claim
        assert not claim.table or claim.table in TABLES
        words = claim.command.split()
        if words[:2] == ["prioria", "reproduce"]:
            options = dict(zip(words[3::2], words[4::2], strict=True))
            table = TABLES[words[2]]
            table.select(options["--rows"].split(",") if "--rows" in options else None)
            table.sets(options["--data"].split(",") if "--data" in options else None, options.get("--budget", "cpu"))
        elif words:
            assert (RESULTS.parent / words[-1]).exists()
        assert claim.verdict == "not tested" or claim.command, claim.claim


def test_the_page_of_claims_in_the_repository_is_the_one_that_the_command_makes(tmp_path: Path) -> None:
    made = claims.page(RESULTS).write(tmp_path, "README").read_text()
    assert made == (RESULTS / "README.md").read_text()
    assert made.count("| not tested |") == sum(claim.verdict == "not tested" for claim in all_claims())


def test_pages_in_the_repository_are_those_of_their_results() -> None:
    """Every row of a page is there with its numbers, whatever wrote it; pictures are not drawn anew here."""
    for path in RESULTS.glob("vampprior/*/*/*.json"):
        value = json.loads(path.read_text())["log_likelihood"]["value"]
        assert re.search(rf"\| {value:.2f} ± ", (RESULTS / "vampprior.md").read_text()), path
