"""One contract of columns: what each column of a table holds, and how its values become the numbers of a model."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prioria.data.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

ColumnKind = Literal[
    "real", "positive", "count", "binary", "category", "ordinal", "date", "text", "constant", "identifier", "index"
]
Role = Literal["feature", "label", "identifier", "ignored"]
Treatment = Literal["none", "standardize", "log"]

NUMBERS: tuple[ColumnKind, ...] = ("real", "positive", "count")
NAMES: tuple[ColumnKind, ...] = ("binary", "category", "ordinal")
DATE_PARTS = ("year", "month", "weekday", "epoch")
FORMAT = 1


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
        >>> Column("colour", "category", levels=("red", "blue")).categories
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


@dataclass(frozen=True)
class Schema:
    """The columns of a table: which are features, and how rows become numbers and numbers rows.

    Args:
        columns: all that the training table had, in its order.

    Raises:
        DataError: no feature, a name given twice, or more than one label.

    Example:
        >>> import pandas as pd
        >>> schema = Schema((Column("size", "real", center=2.0, scale=4.0, treatment="standardize"),
        ...                  Column("sex", "binary", levels=("f", "m"))))
        >>> schema.encode(pd.DataFrame({"sex": ["m", None], "size": [10.0, 2.0]})).tolist()
        [[2.0, 1.0], [0.0, nan]]
        >>> schema.decode(np.array([[2.0, 1.0]])).to_dict("list")
        {'size': [10.0], 'sex': ['m']}
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"column {twice!r} comes twice; rename one")
        if not self.features:
            raise DataError(f"no column of {', '.join(names) or 'the table'} is a feature; say --kind COLUMN=KIND")
        if len(labels := [column.name for column in self.columns if column.role == "label"]) > 1:
            raise DataError(f"labels {', '.join(labels)}: give one column this role, or none")

    @property
    def features(self) -> tuple[Column, ...]:
        """The D columns that a model reads, in the order of its numbers."""
        return tuple(column for column in self.columns if column.role == "feature")

    @property
    def label(self) -> Column | None:
        """The column of labels, if there is one."""
        return next((column for column in self.columns if column.role == "label"), None)

    @property
    def identifiers(self) -> tuple[Column, ...]:
        """The columns that tell rows apart; they are written beside results."""
        return tuple(column for column in self.columns if column.role == "identifier")

    @property
    def log_scale(self) -> float:
        r"""The sum of log-scales, \sum_d \log s_d, in nats: log p of standardized values minus it is that of v."""
        return sum(math.log(column.scale) for column in self.features)

    def log_volume(self, x: NDArray) -> NDArray[np.float64]:
        r"""How far each row's density is stretched, \sum_d \log |dv_d / dx_d| (N,), in nats, for numbers x (N, D).

        log p(v) = log p(x) - log_volume(x). Under "standardize" a column adds log s_d, under "log" log s_d + log v_d,
        and a missing value nothing.
        """
        scale = np.array([column.scale for column in self.features])
        center = np.array([column.center for column in self.features])
        log = np.array([column.treatment == "log" for column in self.features])
        x = np.asarray(x, np.float64)
        return np.nansum(np.where(np.isnan(x), np.nan, np.log(scale)) + np.where(log, center + scale * x, 0.0), -1)

    def encode(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """The numbers x (N, D) of a table's rows, by name of column; NaN where one is missing or unknown."""
        from prioria.data.values import encoded

        absent = np.full(len(frame), np.nan, np.float32)
        found = [encoded(column, frame) for column in self.features]
        return np.stack([absent if x is None else x for x in found], 1).astype(np.float32)

    def decode(self, x: NDArray) -> pd.DataFrame:
        """Rows in original kinds and units, one column a feature, from numbers x (N, D)."""
        import pandas as pd

        from prioria.data.values import decoded

        if x.ndim != 2 or x.shape[1] != len(self.features):
            raise DataError(f"x of shape {x.shape} does not fit the schema; give (N, {len(self.features)})")
        columns: Any = {column.name: decoded(column, x[:, d]) for d, column in enumerate(self.features)}
        return pd.DataFrame(columns)

    def unscaled(self, x: Tensor) -> Tensor:
        """Numbers in original units and codes of names from numbers x (..., D), none of them rounded."""
        center, scale = (x.new_tensor([getattr(each, of) for each in self.features]) for of in ("center", "scale"))
        log = torch.tensor([column.treatment == "log" for column in self.features], device=x.device)
        values = center + scale * x
        return torch.where(log, values.exp(), values)

    def differences(self, frame: pd.DataFrame, *, strict: bool = False) -> list[str]:
        """How a table differs from what the schema expects, one line for each column: missing, unknown, new levels.

        Raises:
            DataError: no feature is there, or with `strict` the first difference.
        """
        from prioria.data.values import unknown

        there = set(map(str, frame.columns))
        features = {column.source or column.name: column for column in self.features}
        known = {column.name for column in self.columns}
        if not features.keys() & there:
            raise DataError(f"no column of {', '.join(sorted(there)[:10])} is one of {', '.join(list(features)[:10])}")
        found = [
            f"column {name!r} is missing: its values are taken as missing" for name in features if name not in there
        ]
        found += [f"column {name!r} is unknown and left out" for name in map(str, frame.columns) if name not in known]
        found += [line for column in self.features if (line := unknown(column, frame))]
        if strict and found:
            raise DataError(f"{found[0]}; leave --strict out to go on all the same")
        return found

    def labels(self, frame: pd.DataFrame) -> NDArray | None:
        """Labels (N,) of a table's rows: codes in int64, -1 where missing or unknown, or numbers in float32."""
        from prioria.data.values import encoded

        if self.label is None or (found := encoded(self.label, frame)) is None:
            return None
        return np.nan_to_num(found, nan=-1).astype(np.int64) if self.label.kind in NAMES else found.astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """The schema as a value that JSON can hold; what is as by default is left out."""
        return {"format": FORMAT, "columns": [_brief(column) for column in self.columns]}

    @classmethod
    def from_json(cls, value: Any) -> Schema:
        """The schema of such a value.

        Raises:
            DataError: not of this format, or an entry of a wrong name, type or value; the column is named.
        """
        if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("columns"), list):
            raise DataError(
                f"a schema of format {FORMAT} has 'format' and a list 'columns'; write one by "
                "prioria data inspect FILE --out schema.json"
            )
        return cls(tuple(_column(entry, number) for number, entry in enumerate(value["columns"])))


def _brief(column: Column) -> dict[str, Any]:
    given = asdict(column)
    needed = {"name", "kind", "role"}
    kept = (each for each in fields(column) if each.name in needed or given[each.name] != each.default)
    return {each.name: list(given[each.name]) if each.name == "levels" else given[each.name] for each in kept}


TYPES: dict[str, type | tuple[type, ...]] = {
    name: (int, float) if hint is float else bool if hint is bool else list if name == "levels" else str
    for name, hint in get_type_hints(Column).items()
}
WORDS = {"kind": get_args(ColumnKind), "role": get_args(Role), "treatment": get_args(Treatment)}


def _column(entry: Any, number: int) -> Column:
    if not isinstance(entry, dict) or not {"name", "kind"} <= set(entry):
        raise DataError(f"column {number} of the schema needs a name and a kind, as in {json.dumps(_brief(_EXAMPLE))}")
    for key, value in entry.items():
        if key not in TYPES:
            raise DataError(f"column {entry['name']!r}: {key!r} is unknown; a column has {', '.join(TYPES)}")
        if not isinstance(value, TYPES[key]) or (isinstance(value, bool) and TYPES[key] is not bool):
            raise DataError(f"column {entry['name']!r}: {key}={value!r} has a wrong type")
        if key in WORDS and value not in WORDS[key]:
            raise DataError(f"column {entry['name']!r}: {key}={value!r} is unknown; use {', '.join(WORDS[key])}")
    levels = entry.get("levels", [])
    if not all(isinstance(level, str) for level in levels):
        raise DataError(f"column {entry['name']!r}: levels={levels!r} must be names in quotes")
    numbers = {key: float(value) for key, value in entry.items() if TYPES[key] == (int, float)}
    return Column(**{**entry, **numbers, "levels": tuple(levels)})


_EXAMPLE = Column("height", "real")
