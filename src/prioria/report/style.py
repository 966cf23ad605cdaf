"""How every picture looks and is written: one palette, one kind of figure, nothing of pyplot's global state."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prioria.atomic import check_place, write_atomically
from prioria.drawing import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MUTED, PALE, LINE, PAPER = "#5f6b7a", "#a9b4c0", "#dde3ea", "#ffffff"
DATA, SAMPLE, RECONSTRUCTION = "#0072b2", "#d55e00", "#009e73"
# The palette of Okabe and Ito, which the color-blind can tell apart.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
CLASSES = tuple(
    f"tab:{name}" for name in ("blue", "orange", "green", "red", "purple", "brown", "pink", "gray", "olive", "cyan")
)
SCALE = "viridis"  # color map of numbers, and of more classes than there are colors
DPI = 150  # of files of pixels, and of what is rasterized inside an .svg
MEDIA = {".png": "image/png", ".svg": "image/svg+xml"}


def panels(width: float, height: float, *, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Returns a figure of ``width`` x ``height`` inches and its axes, row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor=PAPER)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def stacked(width: float, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Returns a figure of ``width`` inches and axes one below the other, as high as these inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, sum(heights)), dpi=DPI, layout="constrained", facecolor=PAPER)
    return figure, list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights).flat)


def dress(axes: Axes, title: str = "", *, x: str = "", y: str = "") -> Axes:
    """Gives axes their title, labels and the plain look: no box, a light grid."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9, color=MUTED)
    axes.set_ylabel(y, fontsize=9, color=MUTED)
    axes.tick_params(labelsize=8, colors=MUTED, length=0)
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    return axes


def legend(axes: Axes) -> None:
    """Adds a legend without a box."""
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)


def legend_below(axes: Axes, *, columns: int = 10) -> None:
    """Adds a legend of these axes below the whole figure, in so many columns or as many as it is wide enough for."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    look: dict[str, Any] = {"frameon": False, "fontsize": 8, "labelcolor": INK, "handletextpad": 0.3}
    look |= {"columnspacing": 1.0} | {"loc": "outside lower center", "markerscale": 1.5}
    handles, labels = axes.get_legend_handles_labels()
    found = figure.legend(handles, labels, ncols=columns, **look)
    for fewer in range(min(columns, len(labels)) - 1, 0, -1):
        if found.get_window_extent().width <= figure.bbox.width:
            break
        found.remove()
        found = figure.legend(handles, labels, ncols=fewer, **look)


def render(figure: Figure, suffix: str = ".svg") -> bytes:
    """Returns a figure as the bytes of an .svg or .png file; the same drawing gives the same bytes.

    Draw clouds of points with ``rasterized=True``: inside an .svg they become one picture.

    Raises:
        ValueError: another suffix.
    """
    from matplotlib import rc_context

    _medium(suffix)
    buffer = io.BytesIO()
    plain = dict.fromkeys(("Creator", "Date", "Format", "Type")) if suffix == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "prioria"}):
        figure.savefig(buffer, format=suffix[1:], dpi="figure", metadata=plain)
    return buffer.getvalue()


def check_picture(path: str | Path) -> Path:
    """Returns the file of a picture; raises, before the work, what :func:`write` would.

    Raises:
        ValueError: a suffix that is no picture's.
        OSError: it cannot be written.
    """
    _medium(Path(path).suffix)
    check_place(Path(path))
    return Path(path)


def write(figure: Figure, path: str | Path) -> Path:
    """Writes a figure atomically, as what the suffix of ``path`` says, .png or .svg, and returns the path."""
    path = Path(path)
    content = render(figure, path.suffix)
    write_atomically(path, lambda file: _write_bytes(file, content))
    return path


def inline(content: bytes, suffix: str = ".svg") -> str:
    """Returns the bytes of a picture as a data URI, for the ``src`` of an image in a page that stands alone."""
    return f"data:{_medium(suffix)};base64,{base64.b64encode(content).decode('ascii')}"


def _medium(suffix: str) -> str:
    if suffix not in MEDIA:
        raise ValueError(f"suffix={suffix!r} is no picture that prioria writes; use {' or '.join(MEDIA)}")
    return MEDIA[suffix]


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
