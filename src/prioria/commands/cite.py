"""The command that says what to cite."""

from __future__ import annotations

from pathlib import Path

from prioria.report.citations import citations


def cite(run: Path) -> None:
    """Print BibTeX for exactly the methods that the model and the objective of a run use.

    Args:
        run: folder of a run.
    """
    print(citations(run))
