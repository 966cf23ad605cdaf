"""What the columns of a table hold, found by looking at them."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from prioria.data.column import DATE_PARTS, NAMES, NUMBERS, Column, ColumnKind
from prioria.data.errors import DataError
from prioria.data.schema import Schema
from prioria.data.values import FALSE, TRUE, date_part, dates, names, numbers, series

if TYPE_CHECKING:
    import pandas as pd

LABEL_NAMES = ("label", "labels", "class", "target")  # not y, which is as often a coordinate
INDEX_NAMES = re.compile(r"unnamed: 0|index|index 0|id|rownames|row|obs|", re.IGNORECASE)
IDENTIFIER_NAMES = re.compile(r"(.*[\W_])?(id|uuid|guid)", re.IGNORECASE)
MOST_LEVELS = 100
FEW_LEVELS = 10  # so many whole numbers are levels in order
FARTHEST = 100.0  # standard deviations of the middle half: a larger one is that of few values far away
SAMPLE = 500  # values by which text is recognized as dates


def infer(
    frame: pd.DataFrame,
    *,
    labels: str | None = None,
    ignore: Collection[str] = (),
    kinds: Mapping[str, str] | None = None,
    dates: bool = False,
    training: NDArray | None = None,
) -> Schema:
    """The schema of a table.

    A positive column is read under the logarithm where that makes a Gaussian of it the likelier (Box and Cox, 1964,
    eq. 8, at lambda 0 against 1); centers and scales are means and standard deviations of what a column then has.

    Args:
        frame: the rows.
        labels: the column of labels; None = one that is called label, labels, class or target, if its values are
            categories and it is no word among counts of words.
        ignore: columns to leave out.
        kinds: kinds that are known better; such a column is a feature.
        dates: read year, month, weekday and epoch of dates as columns of numbers.
        training: numbers of the rows from which treatments are fitted; None = all. Kinds and levels are those of all
            rows.

    Raises:
        DataError: a column that there is not, an unknown kind, a kind that the values do not have, or no feature.

    Example:
        >>> import pandas as pd
        >>> found = infer(pd.DataFrame({"size": [1.5, 2.5, 4.0], "smoker": ["no", "yes", "no"]}))
        >>> [column.kind for column in found.columns], found.columns[1].levels
        (['positive', 'binary'], ('no', 'yes'))
    """
    kinds = dict(kinds or {})
    _check_names(frame, labels, ignore, kinds)
    rows = frame if training is None else frame.iloc[training]
    columns: list[Column] = []
    for name in map(str, frame.columns):
        values, kind = series(frame, name), kinds.get(name)
        assert values is not None
        columns.append(found := Column(name, "text", "ignored") if name in ignore else look(name, values, kind))
        if found.kind == "date" and dates and name not in ignore:
            columns += [_part(name, part, values) for part in DATE_PARTS]
    chosen = labels if labels is not None else _label(columns, kinds)
    columns = [_labeled(column, frame) if column.name == chosen else column for column in columns]
    return Schema(tuple(fitted(column, rows) for column in columns))


def _check_names(frame: pd.DataFrame, labels: str | None, ignore: Collection[str], kinds: Mapping[str, str]) -> None:
    known = list(map(str, frame.columns))
    for option, given in (("label", [labels] if labels else []), ("ignore", ignore), ("kind", kinds)):
        for name in given:
            if name not in known:
                raise DataError(f"{option} {name!r} is no column; there are {', '.join(known[:20])}")
    for name, kind in kinds.items():
        if kind not in get_args(ColumnKind):
            raise DataError(f"kind {name}={kind} is unknown; use {', '.join(get_args(ColumnKind))}")


def look(name: str, values: pd.Series, kind: Any = None) -> Column:
    """What one column holds, before anything is fitted."""
    found = _recognized(name, values) if kind is None else _as(name, values, kind)
    role = {"identifier": "identifier"}.get(found.kind, "feature" if found.kind in (*NUMBERS, *NAMES) else "ignored")
    return replace(found, role=role, missing=max(found.missing, float(values.isna().mean())))


def _recognized(name: str, values: pd.Series) -> Column:
    import pandas as pd

    known: Any = values.dropna()
    distinct = known.nunique() if _is_hashable(known) else len(known)
    if distinct <= 1:
        return Column(name, "constant", role="ignored")
    if isinstance(values.dtype, pd.CategoricalDtype):
        kind = "ordinal" if values.dtype.ordered and distinct > 2 else "binary" if distinct == 2 else "category"
        return _as(name, values, kind)
    if pd.api.types.is_bool_dtype(known) or set(map(type, known.head(SAMPLE))) == {bool}:
        return Column(name, "binary", levels=("False", "True"))
    if pd.api.types.is_datetime64_any_dtype(values):
        return Column(name, "date", role="ignored")
    if pd.api.types.is_numeric_dtype(values):
        return _number(name, _finite(name, values), len(values))
    return _words(name, values, distinct, len(known))


def _is_hashable(values: pd.Series) -> bool:
    return not any(isinstance(value, list | dict | set | np.ndarray) for value in values.head(SAMPLE))


def _words(name: str, values: pd.Series, distinct: int, known: int) -> Column:
    if _are_dates(values):
        return Column(name, "date", role="ignored")
    if _has_stray_words(name, values):
        found = numbers(values)
        return replace(_number(name, found, len(values)), missing=float(np.isnan(found).mean()))
    if distinct == 2:
        return _as(name, values, "binary")
    if distinct <= min(MOST_LEVELS, max(FEW_LEVELS, known // 3)) and distinct < known:
        return _as(name, values, "category")
    unique = distinct >= 0.99 * known and values.dropna().astype(str).str.len().mean() <= 40
    return Column(name, "identifier" if unique else "text", role="identifier" if unique else "ignored")


def _has_stray_words(name: str, values: pd.Series) -> bool:
    """Whether a column of numbers has one word in a few places, which is taken as a mark of missing ones, and said so.

    Raises:
        DataError: there are several such words: what they mean, nobody but the user knows.
    """
    known: Any = values.dropna()
    stray = np.isnan(numbers(known))
    if len(known) < 20 or stray.mean() > 0.1 or not stray.any():
        return False
    if known[~stray].nunique() < 2:  # one number and a word are two names
        return False
    word, places = known.iloc[int(stray.argmax())], int(stray.sum())
    if known[stray].nunique() > 1:
        raise DataError(
            f"column {name!r} holds {word!r} among numbers ({places} words); leave such fields empty if they are "
            f"missing, or say --kind {name}=category or --ignore {name}"
        )
    warnings.warn(
        f"column {name!r} holds {word!r} among numbers, which is taken as missing: {places}; if it is a name, say "
        f"--kind {name}=category",
        stacklevel=2,
    )
    return True


def _are_dates(values: pd.Series) -> bool:
    known: Any = values.dropna()
    sample: Any = known.iloc[:: max(1, len(known) // SAMPLE)].astype(str)
    looks = sample.str.contains(r"\d") & sample.str.contains(r"[-/:.]|\d\s+\w{3}|\w{3}\s+\d", regex=True)
    return bool(looks.all() and dates(sample).notna().all())


def _finite(name: str, values: pd.Series) -> NDArray[np.float64]:
    """The numbers, with a warning where some are infinite or beyond single precision; those are missing.

    Raises:
        DataError: most are.
    """
    found = numbers(values)
    known = values.notna().to_numpy()
    lost = int((np.isnan(found) & known).sum())
    if 2 * lost > known.sum():
        raise DataError(
            f"column {name!r}: {lost} of {known.sum()} values are infinite or exceed single precision (3.4e38); divide "
            f"them by a power of ten, or say --ignore {name}"
        )
    if lost:
        warnings.warn(
            f"column {name!r}: values that are infinite or exceed single precision (3.4e38), taken as missing: {lost}",
            stacklevel=2,
        )
    return found


def _number(name: str, values: NDArray[np.float64], rows: int) -> Column:
    known = values[np.isfinite(values)]
    whole, distinct = bool((known == known.round()).all()), np.unique(known)
    if len(distinct) == 2:
        return Column(name, "binary", levels=tuple(names_of(distinct)), integer=whole)
    if whole and len(distinct) == rows:
        if INDEX_NAMES.fullmatch(name) and distinct[-1] - distinct[0] == rows - 1:
            return Column(name, "index", role="ignored", integer=True)
        if IDENTIFIER_NAMES.fullmatch(name):
            return Column(name, "identifier", role="identifier", integer=True)
        if INDEX_NAMES.fullmatch(name) and (np.diff(known) > 0).all():  # of some rows of a table, in its order
            return Column(name, "index", role="ignored", integer=True)
    if whole and 1 <= distinct[0] and len(distinct) <= FEW_LEVELS and distinct[-1] < 2 * FEW_LEVELS:
        return Column(name, "ordinal", levels=tuple(names_of(distinct)), integer=True)
    if whole and distinct[0] in (0, 1):
        return Column(name, "count", integer=True)
    kind = "positive" if distinct[0] > 0 else "real"
    return Column(name, kind, integer=whole, resolution=_resolution(known, distinct))


def names_of(distinct: NDArray[np.float64]) -> list[str]:
    """Names of numbers, as `prioria.data.values.names` gives them."""
    import pandas as pd

    return names(pd.Series(distinct)).tolist()


def _resolution(known: NDArray[np.float64], distinct: NDArray[np.float64]) -> float:
    """The width of the grid; where values repeat, at least the least distance of two: no cell holds more than one."""
    if len(distinct) < 3 or 2 * len(distinct) > len(known):
        return grid(distinct)
    steps = np.diff(distinct)
    apart = steps[steps > 1e-5 * (distinct[-1] - distinct[0])]  # others are the same but for rounding
    return max(grid(distinct), float(f"{apart.min():.9g}"))


def grid(distinct: NDArray[np.float64]) -> float:
    """The widest of 10^k and 5 10^k on which all values lie, and not all in one place; 0 where there is none."""
    if len(distinct) < 3:
        return 0.0
    for exponent in range(3, -7, -1):
        for width in (5 * 10.0**exponent, 10.0**exponent):
            if distinct[-1] - distinct[0] < width / 2:
                continue
            places = distinct / width
            if np.abs(places - places.round()).max() <= 1e-6 and np.abs(places).max() < 1e9:
                return width
    return 0.0


def _as(name: str, values: pd.Series, kind: Any) -> Column:
    """A column as somebody says it is."""
    import pandas as pd

    if kind in NAMES:
        return Column(name, kind, role="ignored", levels=_levels(values), integer=_is_whole(values))
    if kind not in NUMBERS:
        return Column(name, kind, role="ignored")
    found = numbers(values)
    if np.isnan(found).sum() > pd.isna(values).sum() and not pd.api.types.is_numeric_dtype(values):
        raise DataError(f"column {name!r}: kind {kind} needs numbers, and it holds words; use category")
    known = found[np.isfinite(found)]
    whole = bool((known == known.round()).all())
    if (kind == "positive" and (known <= 0).any()) or (kind == "count" and ((known < 0).any() or not whole)):
        raise DataError(f"column {name!r}: kind {kind} does not fit values from {known.min():g} to {known.max():g}")
    return Column(
        name, kind, integer=whole, resolution=0.0 if kind == "count" else _resolution(known, np.unique(known))
    )


def _is_whole(values: pd.Series) -> bool:
    import pandas as pd

    known = numbers(values) if pd.api.types.is_numeric_dtype(values) else np.array([np.nan])
    return bool((known[np.isfinite(known)] % 1 == 0).all() and np.isfinite(known).any()) and not (
        pd.api.types.is_bool_dtype(values)
    )


def _levels(values: pd.Series) -> tuple[str, ...]:
    """Names in the order of a categorical type, of numbers, of no before yes, or of the alphabet."""
    import pandas as pd

    known: Any = values.dropna()
    if isinstance(values.dtype, pd.CategoricalDtype):
        used = set(known.unique())
        return tuple(names(pd.Series([each for each in values.dtype.categories if each in used])))
    found = names(pd.Series(known.unique()))
    if pd.api.types.is_numeric_dtype(values):
        return tuple(sorted(found, key=float)) if not pd.api.types.is_bool_dtype(values) else ("False", "True")
    if len(set(found)) == 2 and {word.lower() for word in found} in map(set, zip(FALSE, TRUE, strict=True)):
        return tuple(sorted(set(found), key=lambda word: word.lower() in TRUE))
    return tuple(sorted(set(found)))


def _part(name: str, part: str, values: pd.Series) -> Column:
    found = date_part(values, part)
    varies = len(np.unique(found[np.isfinite(found)])) > 1
    whole = part != "epoch"
    return Column(
        f"{name}.{part}",
        "real" if varies else "constant",
        role="feature" if varies else "ignored",
        integer=whole and varies,
        missing=float(np.isnan(found).mean()),
        source=name,
    )


def _label(columns: list[Column], kinds: Mapping[str, str]) -> str | None:
    """The column that its name and its values make the label, unless somebody said its kind."""
    found = next((each for each in columns if each.name.lower() in LABEL_NAMES and each.name not in kinds), None)
    if found is None or found.kind not in (*NAMES, "count") or len(columns) == 1:
        return None
    others = [each for each in columns if each.role == "feature" and each is not found]
    words = (
        bool(others)
        and all(_is_count(each) for each in others)
        and not any(re.search(r"\d", each.name) for each in others)
    )
    return None if words and _is_count(found) else found.name


def _is_count(column: Column) -> bool:
    return column.kind == "count" or column.levels == ("0", "1") or (column.kind == "ordinal" and column.integer)


def _labeled(column: Column, frame: pd.DataFrame) -> Column:
    values = series(frame, column.name)
    if column.kind in ("count", "text", "identifier") and values is not None and values.nunique() <= MOST_LEVELS:
        column = _as(column.name, values, "category")
    return replace(column, role="label")


def fitted(column: Column, frame: pd.DataFrame) -> Column:
    """The column with a treatment of numbers fitted to rows."""
    values = series(frame, column.source or column.name)
    if column.kind not in ("real", "positive") or column.role != "feature" or values is None:
        return column
    found = date_part(values, column.name.rpartition(".")[2]) if column.source else numbers(values)
    known = found[np.isfinite(found)]
    if column.kind == "positive" and _is_lognormal(known):
        return replace(column, treatment="log", **_moments(column.name, np.log(known)))
    return replace(column, treatment="standardize", **_moments(column.name, known))


def _is_lognormal(values: NDArray) -> bool:
    """Whether a Gaussian of log v is likelier than one of v, both at their best."""
    logs = np.log(values[values > 0])
    return bool(len(logs) > 1 and 0 < logs.std() and logs.std() * np.exp(logs.mean()) < values.std())


def _moments(name: str, values: NDArray) -> dict[str, float]:
    """Mean and deviation.

    Raises:
        DataError: the deviation is too small for single precision.
    """
    if len(values) == 0:
        return {}
    center, scale = float(values.mean()), float(values.std())
    if scale < np.finfo(np.float32).tiny and values.min() < values.max():
        raise DataError(
            f"column {name!r}: values from {values.min():g} to {values.max():g} lie closer together than single "
            f"precision resolves (1.2e-38); multiply them by a power of ten, or say --ignore {name}"
        )
    scale = min(scale, widest(values))
    return {"center": center, "scale": scale if scale > 1e-12 * abs(center) else 1.0}


def widest(values: NDArray) -> float:
    """Returns the largest scale that the middle half of values agrees with: 100 times what it is of a Gaussian's.

    A value as far away as a wrong number or a code of what is missing would else leave all others on one spot.
    """
    low, high = np.quantile(values, (0.25, 0.75))
    found = float(FARTHEST * (high / 1.349 - low / 1.349))
    return found if found > np.finfo(np.float32).tiny else math.inf
