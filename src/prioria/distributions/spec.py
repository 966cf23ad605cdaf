"""What parts of a model need to know of the columns of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

MINIMUM_SCALE = 1e-3
RESOLUTION_SHARE = math.sqrt(0.3 / 12)  # of the grid's width: the least s is that of a value's place within its cell
NUMBERS = ("real", "positive", "count")


@dataclass(frozen=True)
class Spec:
    """What a head needs to know of a column; ``prioria.data.Column`` says what the names mean."""

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    resolution: float = 0.0
    treatment: str = "none"
    center: float = 0.0
    scale: float = 1.0

    @property
    def floor(self) -> float:
        """The least standard deviation of the column's number x."""
        typical = math.exp(min(self.center, 50.0)) if self.treatment == "log" else 1.0
        return max(MINIMUM_SCALE, RESOLUTION_SHARE * self.resolution / (self.scale * typical))

    @classmethod
    def read(cls, schema: Any) -> list[Spec]:
        """Reads the features of a schema, or of the JSON that one writes."""
        columns = (schema if isinstance(schema, Mapping) else schema.to_json())["columns"]
        names = {field.name for field in fields(cls)}
        found = [column for column in columns if column.get("role", "feature") == "feature"]
        return [cls(**{key: given[key] for key in given.keys() & names}) for given in map(_tupled, found)]


def _tupled(column: Mapping[str, Any]) -> dict[str, Any]:
    return {**column, "levels": tuple(column.get("levels", ()))}
