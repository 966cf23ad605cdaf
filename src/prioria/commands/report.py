"""Commands that write pages and pictures."""

from __future__ import annotations

import shlex
from pathlib import Path

import rich

from prioria import report as reports
from prioria.atomic import check_place
from prioria.commands.opened import DataPlace
from prioria.report.subject import Subject
from prioria.train import Run


def report(run: Path, *, out: Path | None = None, data: DataPlace = None, seed: int = 0) -> None:
    """Write the page of a run, with its numbers, pictures, protocol and configuration, and sheet.png beside it.

    Args:
        run: folder of a run.
        out: the .html file, RUN/report.html by default.
        seed: of the samples in the pictures.
    """
    opened = Run.load(run, data=data)
    check_place((out or run / "report.html").with_name("sheet.png"))
    page = reports.report(opened, out or run / "report.html", seed=seed)
    sheet = reports.sheet(opened.model, opened.data, page.with_name("sheet.png"), seed=seed)
    print(f"Page: {page}\nPicture: {sheet}")
    if Subject.of(opened).evaluation is None:  # also where there is one of weights that it had before
        print(f"The page has no numbers yet; first: prioria evaluate {shlex.quote(str(run))}")


def compare(*runs: Path, out: Path | None = None, data: DataPlace = None, seed: int = 0) -> None:
    """Put runs side by side, with paired differences of the log-likelihood to the first.

    Args:
        runs: folders of evaluated runs, two or more.
        out: an .html file to write as well.
        seed: of the samples in the pictures.
    """
    rich.print(reports.compare([Run.load(run, data=data) for run in runs], out, seed=seed))
    if out is not None:
        print(f"Page: {out}")
