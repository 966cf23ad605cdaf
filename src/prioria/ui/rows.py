"""How a row of the data is shown: a picture, a curve, or a table of columns."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from prioria import drawing
from prioria.data import Column, Dataset, Protocol
from prioria.distributions import mean

Kind = Literal["picture", "curve", "table"]
SEEN = 500  # training rows that say what is dark and what is bright


@dataclass(frozen=True)
class Drawer:
    """What turns rows into what the page draws.

    Attributes:
        protocol: of the data.
        kind: "picture": bytes of colors; "curve" and "table": numbers in the units of the data.
        low: what is shown darkest, or where a column's bar begins.
        high: what is shown brightest, or where it ends.
        shape: of a picture (height, width); else the number of values.
        deviation: of each value that the model reads.
    """

    protocol: Protocol
    kind: Kind
    low: Tensor
    high: Tensor
    shape: tuple[int, ...]
    deviation: Tensor

    @classmethod
    def of(cls, data: Dataset) -> Drawer:
        """Finds how rows of a data set are shown."""
        protocol, x = data.protocol, data.train.tensor(SEEN)
        flat = x.flatten(1)
        known = flat.isfinite()
        center = flat.nan_to_num().sum(0) / known.sum(0).clamp(min=1)
        deviation = (((flat - center).nan_to_num().square().sum(0) / known.sum(0).clamp(min=1)).sqrt()).clamp(min=1e-6)
        if drawing.is_drawable(protocol):
            low, high = drawing.value_range(x)
            drawn = drawing.drawn(x[:1], protocol)
            return cls(protocol, "picture", torch.tensor(low), torch.tensor(high), drawn.shape[1:3], deviation)
        values = protocol.unscaled(x)
        kind: Kind = "curve" if len(protocol.shape) == 2 else "table"
        low, high = values.nan_to_num(nan=torch.inf).amin(0), values.nan_to_num(nan=-torch.inf).amax(0)
        return cls(protocol, kind, low, high, protocol.shape, deviation)

    def facts(self) -> dict[str, Any]:
        """What the page must know to draw rows."""
        found = {"kind": self.kind, "shape": list(self.shape)}
        if self.kind == "picture":
            return found
        limits = {"low": self.low.tolist(), "high": self.high.tolist()}
        return found | limits | {"columns": self._names(), "levels": self._levels()}

    def _names(self) -> list[str]:
        columns = self._columns()
        return [column.name for column in columns] or [f"column {n + 1}" for n in range(self.protocol.dimensions)]

    def _levels(self) -> list[list[str]]:
        """Names of the values of each column; none where they are numbers."""
        return [list(column.levels) for column in self._columns()] or [[]] * self.protocol.dimensions

    def _columns(self) -> tuple[Column, ...]:
        schema = self.protocol.schema
        return () if schema is None or len(schema.features) != self.protocol.dimensions else schema.features

    def values(self, x: Tensor) -> NDArray[Any]:
        """Returns rows (n, D) as colors (n, H, W, 3) of one byte, or as numbers (n, D) in the units of the data."""
        if self.kind != "picture":
            return self.protocol.unscaled(x).numpy().astype(np.float32)
        if len(self.protocol.shape) != 3:
            return drawing.drawn(x, self.protocol)
        return drawing.tiles((x - self.low) / (self.high - self.low), self.protocol)

    def typical(self, px: Distribution) -> Tensor:
        """Returns one row for each p(x|z): means, and of columns of names the likeliest."""
        found, named = mean(px), [place for place, levels in enumerate(self._levels()) if levels]
        if named:
            found = found.clone()
            found[..., named] = px.mode[..., named]
        return found

    def features(self, x: Tensor) -> Tensor:
        """Returns rows as vectors (n, F) to measure distances of: a place for each name, numbers in deviations."""
        rows, parts = x.flatten(1), []
        for column, levels in enumerate(self._levels()):
            if levels:
                codes = rows[:, column].long().clamp(0, len(levels) - 1)
                parts.append(torch.nn.functional.one_hot(codes, len(levels)) * 2**0.5)
            else:
                parts.append(rows[:, column : column + 1] / self.deviation[column])
        return torch.cat(parts, 1)

    def to_text(self, x: Tensor) -> list[Any]:
        """Returns rows for JSON: colors in base64, numbers as they are."""
        found = self.values(x)
        if self.kind != "picture":
            return found.tolist()
        return [base64.b64encode(np.ascontiguousarray(each).tobytes()).decode("ascii") for each in found]
