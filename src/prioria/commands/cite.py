"""The command that says what to cite."""

from __future__ import annotations

from pathlib import Path

from prioria.report.citations import citations


def cite(run: Path) -> None:
    """Print BibTeX for exactly what a run used: model, objective, optimizer, data set, and how it was evaluated.

    Args:
        run: folder of a run.
    """
    print(citations(run))
