"""One contract of columns: what each column of a table holds, and how its values become the numbers of a model."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prioria.data.column import NAMES, Column, ColumnKind, Role, Treatment
from prioria.data.errors import DataError
from prioria.data.values import decoded, encoded, unknown

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1


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
            kinds = [f"{column.name} ({column.kind})" for column in self.columns[:10]] + ["..."] * (len(names) > 10)
            raise DataError(
                f"no column of {', '.join(kinds) or 'the table'} is a feature; say --kind COLUMN=KIND for one that is"
            )
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
        return self.log_volumes(x).sum(-1)

    def log_volumes(self, x: NDArray) -> NDArray[np.float64]:
        r"""What each column adds to :meth:`log_volume`, \log |dv_d / dx_d| (N, D), in nats; 0 of a missing value."""
        scale = np.array([column.scale for column in self.features])
        center = np.array([column.center for column in self.features])
        log = np.array([column.treatment == "log" for column in self.features])
        x = np.asarray(x, np.float64)
        return np.where(np.isnan(x), 0.0, np.log(scale) + np.where(log, center + scale * x, 0.0))

    def encode(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """The numbers x (N, D) of a table's rows, by name of column; NaN where one is missing or unknown."""
        absent = np.full(len(frame), np.nan, np.float32)
        found = [encoded(column, frame) for column in self.features]
        return np.stack([absent if x is None else x for x in found], 1).astype(np.float32)

    def decode(self, x: NDArray) -> pd.DataFrame:
        """Rows in original kinds and units, one column a feature, from numbers x (N, D)."""
        import pandas as pd

        if x.ndim != 2 or x.shape[1] != len(self.features):
            raise DataError(f"x of shape {x.shape} does not fit the schema; give (N, {len(self.features)})")
        columns: Any = {column.name: decoded(column, x[:, d]) for d, column in enumerate(self.features)}
        return pd.DataFrame(columns)

    def scaled(self, values: Tensor) -> Tensor:
        """Numbers x (..., D) from numbers in original units and codes of names; NaN of what has no logarithm."""
        center, scale = (values.new_tensor([getattr(each, of) for each in self.features]) for of in ("center", "scale"))
        log = torch.tensor([column.treatment == "log" for column in self.features], device=values.device)
        positive = torch.where(values > 0, values, torch.nan)
        return (torch.where(log, positive.log(), values) - center) / scale

    def unscaled(self, x: Tensor) -> Tensor:
        """Numbers in original units and codes of names from numbers x (..., D), none of them rounded."""
        center, scale = (x.new_tensor([getattr(each, of) for each in self.features]) for of in ("center", "scale"))
        log = torch.tensor([column.treatment == "log" for column in self.features], device=x.device)
        values = center + scale * x
        return torch.where(log, values.exp(), values)

    def differences(self, frame: pd.DataFrame, *, strict: bool = False, more: bool = True) -> list[str]:
        """How a table differs from what the schema expects, one line for each column: missing, unknown, new levels.

        Args:
            frame: the table.
            strict: refuse a difference.
            more: say of columns that the schema does not know, too.

        Raises:
            DataError: no feature is there, or with `strict` the first difference.
        """
        there = set(map(str, frame.columns))
        features = {column.source or column.name: column for column in self.features}
        known = {column.name for column in self.columns}
        if not features.keys() & there:
            raise DataError(f"no column of {', '.join(sorted(there)[:10])} is one of {', '.join(list(features)[:10])}")
        found = [
            f"column {name!r} is missing: its values are taken as missing" for name in features if name not in there
        ]
        if more or strict:
            others = [name for name in map(str, frame.columns) if name not in known]
            found += [f"column {name!r} is unknown and left out" for name in others]
        found += [line for column in self.features if (line := unknown(column, frame))]
        if strict and found:
            raise DataError(f"{found[0]}; leave --strict out to go on all the same")
        return found

    def labels(self, frame: pd.DataFrame) -> NDArray | None:
        """Labels (N,) of a table's rows: codes in int64, -1 where missing or unknown, or numbers in float32."""
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
