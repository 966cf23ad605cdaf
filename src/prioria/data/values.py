"""Values of one column to numbers of a model, and back."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prioria.data.column import NAMES, Column

if TYPE_CHECKING:
    import pandas as pd

DAY = 86_400  # seconds
LARGEST, LARGEST_INTEGER = float(np.finfo(np.float32).max), 2.0**63
FALSE, TRUE = ("false", "0", "no", "f", "n"), ("true", "1", "yes", "t", "y")


def encoded(column: Column, frame: pd.DataFrame) -> NDArray | None:
    """The numbers (N,) of one column in float64, NaN where missing or unknown; None where the table lacks it."""
    found = series(frame, column.source or column.name)
    if found is None:
        return None
    if column.source:
        return _treated(column, date_part(found, column.name.rpartition(".")[2]))
    return codes(found, column.levels) if column.kind in NAMES else _treated(column, numbers(found))


def unknown(column: Column, frame: pd.DataFrame) -> str:
    """A line on values of a column that have no number and are not missing; "" where there are none."""
    values, found = series(frame, column.source or column.name), encoded(column, frame)
    if values is None or found is None:
        return ""
    lost = np.isnan(found) & values.notna().to_numpy()
    if not lost.any():
        return ""
    first = values.iloc[int(lost.argmax())]
    first = first.item() if isinstance(first, np.generic) else first
    no_log = "not positive or not finite"
    reason = no_log if column.treatment == "log" else "unknown" if column.kind in NAMES else "no number"
    return f"column {column.name!r}: {int(lost.sum())} values are {reason}, first {first!r}, and taken as missing"


def series(frame: pd.DataFrame, name: str) -> pd.Series | None:
    """The column of this name, as text, or None."""
    if name not in frame.columns:  # it may be called by a number
        by_name: dict[str, Hashable] = {str(each): each for each in reversed(list(frame.columns))}
        return frame[by_name[name]] if name in by_name else None  # pyright: ignore[reportReturnType]
    found: Any = frame[name]
    return found


def numbers(values: pd.Series) -> NDArray[np.float64]:
    """A column as numbers, NaN where it holds none, or one that single precision has not: an infinite one, or 1e300."""
    import pandas as pd

    parsed: Any = pd.to_numeric(values, errors="coerce")
    found = parsed.to_numpy(np.float64, na_value=np.nan)
    return np.where(np.abs(found) <= LARGEST, found, np.nan)


def names(values: pd.Series) -> NDArray[np.object_]:
    """A column as names, None where missing; a number is named by its shortest form, 1 and 1.0 alike."""
    import pandas as pd

    places, uniques = pd.factorize(values.astype(object))
    return np.array([*map(_name, uniques), None], object)[places]  # place -1, missing, is that of None


def _name(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).strip()


def codes(values: pd.Series, levels: tuple[str, ...]) -> NDArray[np.float64]:
    """Positions among the levels (N,), NaN where missing or unknown; yes, true and 1 are one word for two levels."""
    place: dict[Any, float] = {level: float(code) for code, level in enumerate(levels)}
    if len(levels) == 2:
        place = _synonyms(levels) | place
    return np.array([place.get(name, np.nan) for name in names(values)], np.float64)


def _synonyms(levels: tuple[str, ...]) -> dict[Any, float]:
    for off, on in zip(FALSE, TRUE, strict=True):
        if (levels[0].lower(), levels[1].lower()) == (off, on):
            words = {word: float(code) for code, group in enumerate((FALSE, TRUE)) for word in group}
            return words | {form(word): code for word, code in words.items() for form in (str.title, str.upper)}
    return {}


def date_part(values: pd.Series, part: str) -> NDArray[np.float64]:
    """Year, month, weekday (0 is Monday) or epoch (days since 1970) of dates, NaN where there is none."""
    when: Any = dates(values)
    if part == "epoch":
        import pandas as pd

        days = (when - pd.Timestamp("1970-01-01")).dt.total_seconds() / DAY
        return days.to_numpy(np.float64, na_value=np.nan)
    return getattr(when.dt, part).to_numpy(np.float64, na_value=np.nan)


def dates(values: pd.Series) -> pd.Series:
    """A column as points in time without a zone (that of Greenwich), NaT where it holds none."""
    import pandas as pd

    form = None if pd.api.types.is_datetime64_any_dtype(values) else "mixed"
    found: Any = pd.to_datetime(values, errors="coerce", utc=True, format=form)
    return found.dt.tz_localize(None)


def _treated(column: Column, found: NDArray[np.float64]) -> NDArray[np.float64]:
    if column.treatment == "log":
        found = np.log(np.where(found > 0, found, np.nan))
    return (found - column.center) / column.scale


def decoded(column: Column, x: NDArray) -> Any:
    """One column in its original kind and units from numbers x (N,); missing where x is NaN.

    Numbers on a grid are put on it, categories are the nearest, and positive values never fall to zero.
    """
    import pandas as pd

    x = np.asarray(x, np.float64)
    if column.kind in NAMES:
        nearest = np.nan_to_num(x, nan=-1).round().clip(-1, column.categories - 1).astype(int)
        return _levels(column)[np.where(np.isnan(x), -1, nearest.clip(0))]
    values = column.center + column.scale * x
    values = np.exp(values) if column.treatment == "log" else values
    if column.resolution:
        digits = max(2 - math.floor(math.log10(column.resolution)), 0)  # 38.3, and no 38.300000000000004
        values = ((values / column.resolution).round() * column.resolution).round(digits)
    if column.kind == "count":
        values = np.maximum(values, 0)
    if column.kind == "positive":
        values = np.maximum(values, column.resolution or _least(column))
    if not column.integer or np.abs(np.nan_to_num(values)).max(initial=0) >= LARGEST_INTEGER:
        return values
    whole = values.round()
    return whole.astype(np.int64) if np.isfinite(whole).all() else pd.array(whole, "Int64")


def _least(column: Column) -> float:
    """What stands for zero in a column that has none."""
    if column.treatment == "log":
        return float(np.finfo(np.float64).tiny)
    return min(float(np.finfo(np.float32).tiny), 1e-3 * column.scale)


def _levels(column: Column) -> NDArray[np.object_]:
    """The levels as the table had them, and None for a missing one."""
    if column.levels == ("False", "True"):
        return np.array([False, True, None], object)
    return np.array([*map(int, column.levels), None] if column.integer else [*column.levels, None], object)
