"""One column of a table: what it holds, and how its values become numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from prioria.data.errors import DataError

ColumnKind = Literal[
    "real", "positive", "count", "binary", "category", "ordinal", "date", "text", "constant", "identifier", "index"
]
Role = Literal["feature", "label", "identifier", "ignored"]
Treatment = Literal["none", "standardize", "log"]

NUMBERS: tuple[ColumnKind, ...] = ("real", "positive", "count")
NAMES: tuple[ColumnKind, ...] = ("binary", "category", "ordinal")
DATE_PARTS = ("year", "month", "weekday", "epoch")


@dataclass(frozen=True)
class Column:
    """What one column holds, and how a value v becomes the number x that a model reads.

    A number becomes x = (t(v) - center) / scale, where t is log under "log" and else the identity. A name becomes its
    position 0 to L-1 among the levels.

    Args:
        name: as the table calls it.
        kind: what the values are.
        role: what they are for; only features reach the model.
        levels: names of categories in order, or of the two values of a binary column.
        resolution: width of the grid that values lie on, in original units; 0 where none was found.
        missing: share of training rows that lack it.
        integer: whether values are written back as integers.
        treatment: of numbers: "none", "standardize" or "log".
        center: subtracted from t(v).
        scale: divides what is left.
        source: the column of dates that this part of a date is read from; "" for a column of its own. The part
            follows the last dot of the name: year, month, weekday (0 is Monday) or epoch (days since 1970).

    Raises:
        DataError: a value that the schema cannot use, with the column's name.

    Example:
        >>> Column("color", "category", levels=("red", "blue")).categories
        2
    """

    name: str
    kind: ColumnKind
    role: Role = "feature"
    levels: tuple[str, ...] = ()
    resolution: float = 0.0
    missing: float = 0.0
    integer: bool = False
    treatment: Treatment = "none"
    center: float = 0.0
    scale: float = 1.0
    source: str = ""

    def __post_init__(self) -> None:
        for option in ("resolution", "missing", "center", "scale"):
            if not math.isfinite(getattr(self, option)):
                raise DataError(f"column {self.name!r}: {option}={getattr(self, option)} must be finite")
        if self.scale <= 0 or self.resolution < 0 or not 0 <= self.missing <= 1:
            raise DataError(
                f"column {self.name!r}: scale={self.scale} must be positive, resolution={self.resolution} at least 0, "
                f"missing={self.missing} from 0 to 1"
            )
        self._check_levels()
        if self.role == "feature" and self.kind not in (*NUMBERS, *NAMES):
            raise DataError(f"column {self.name!r}: a {self.kind} is no feature; give it another kind or role")

    def _check_levels(self) -> None:
        if len(set(self.levels)) < len(self.levels):
            raise DataError(f"column {self.name!r}: levels {self.levels} repeat; give each once")
        least = 2 if self.role == "feature" else 1
        if self.kind in NAMES and len(self.levels) < least:
            raise DataError(f"column {self.name!r}: a {self.kind} needs at least {least} levels, not {self.levels}")
        if self.kind == "binary" and len(self.levels) > 2:
            raise DataError(f"column {self.name!r}: a binary column has two levels, not {len(self.levels)}")
        if self.kind not in NUMBERS and self.treatment != "none":
            raise DataError(f"column {self.name!r}: treatment={self.treatment!r} is for numbers, not for {self.kind}")

    @property
    def categories(self) -> int:
        """The number of levels; 0 for a column of numbers."""
        return len(self.levels)
