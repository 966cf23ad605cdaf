"""Training and validation curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prioria.report import style
from prioria.train.log import NAME, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
EARLY = 0.05  # of the steps: what happens there may leave the picture, so that the rest can be seen


def curves(history: Sequence[Line], terms: Sequence[str] | None = None) -> Figure:
    """Returns a panel for the objective, the distortion, the rate, and the rate of each group, in nats, by step.

    Training (grey) is the mean over the steps since the last line, under warm-up; validation (blue) is at the end of
    every schedule, and a dot marks the best weights. The scale is that of all but the first twentieth of the steps.

    Args:
        history: ``Run.history``, or what :func:`read_history` returned.
        terms: those to draw, of ``terms_of(history)``; None for all.

    Raises:
        ValueError: nothing was validated yet.

    Example:
        >>> line = {"split": "validation", "step": 13, "loss": 36.1, "distortion": 34.1, "rate": 2.0, "best": True}
        >>> [axes.get_title(loc="left") for axes in curves([line]).axes]
        ['objective', 'distortion', 'rate']
    """
    terms = terms_of(history) if terms is None else terms
    columns = min(COLUMNS, len(terms))
    rows = -(-len(terms) // columns)
    figure, axes = style.panels(3.3 * columns, 2.6 * rows, rows=rows, columns=columns)
    for each, term in zip(axes, terms, strict=False):
        _panel(each, history, term)
    for unused in axes[len(terms) :]:
        unused.set_visible(False)
    style.legend(axes[0])
    return figure


def terms_of(history: Sequence[Line]) -> list[str]:
    """Returns the names of what can be drawn: the objective ("loss"), the distortion and the rates.

    Raises:
        ValueError: nothing was validated yet.
    """
    validated = next((line for line in history if line["split"] == "validation"), None)
    if validated is None:
        raise ValueError("history holds no validation: there is nothing to draw before the end of the first epoch")
    return ["loss", *(name for name in validated if name.split("/")[0] in ("distortion", "rate"))]


def read_history(folder: str | Path) -> list[Line]:
    """Reads the metrics.jsonl of a run folder.

    Raises:
        ValueError: it is missing or damaged.
    """
    path = Path(folder) / NAME
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"path={str(path)!r} cannot be read as lines of JSON ({error})") from error


def _panel(axes: Axes, history: Sequence[Line], term: str) -> None:
    style.dress(axes, "objective" if term == "loss" else term.replace("rate/", "rate of "), x="step", y="nats")
    for split, color in (("train", style.PALE), ("validation", style.DATA)):
        lines = [line for line in history if line["split"] == split and line.get(term) is not None]
        look = {"color": color, "lw": 1.2, "marker": "." if len(lines) == 1 else None}  # no line through one point
        axes.plot([line["step"] for line in lines], [line[term] for line in lines], label=split, **look)
    axes.set_ylim(*_limits([line for line in history if line.get(term) is not None], term))
    best = [line for line in history if line.get("best")][-1:]
    axes.scatter([line["step"] for line in best], [line[term] for line in best], s=18, color=style.DATA, zorder=3)


def _limits(lines: Sequence[Line], term: str) -> tuple[float, float]:
    late = [line[term] for line in lines if line["step"] >= EARLY * lines[-1]["step"]]
    margin = 0.05 * (max(late) - min(late)) or 1.0
    return min(late) - margin, max(late) + margin
