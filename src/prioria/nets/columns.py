"""What a network reads of the row of a table."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from prioria.distributions.spec import Spec
from prioria.module import Module

LIMIT = 4.0  # what the numbers of a row far away are bounded by


class ColumnsEncoder(Module):
    """net(h) of a row (B, D) with missing entries: h holds, for each column, what it is and whether it is missing.

    Numbers enter as limit tanh(x / limit), counts v as log(1 + v), names as one bit for each level; all are zero where
    x is NaN. One more bit for each column says that it is missing.

    Args:
        schema: the columns, a ``prioria.data.Schema`` or the JSON that it writes.
        net: network (..., width) -> features; ``ColumnsEncoder.inputs(schema)`` is the width.

    Example:
        >>> schema = {"columns": [{"name": "size", "kind": "real"}, {"name": "sex", "kind": "binary",
        ...                                                          "levels": ["f", "m"]}]}
        >>> ColumnsEncoder(schema, nn.Identity())(torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]))
        tensor([[0., 0., 1., 0., 0.],
                [0., 1., 0., 1., 0.]])
    """

    def __init__(self, schema: Any, net: nn.Module) -> None:
        super().__init__()
        self.columns, self.net = Spec.read(schema), net

    @staticmethod
    def inputs(schema: Any) -> int:
        """Returns the width of what the network reads."""
        columns = Spec.read(schema)
        return sum(len(each.levels) or 1 for each in columns) + len(columns)

    def forward(self, x: Tensor) -> Tensor:
        missing = x.isnan()
        known = x.nan_to_num()
        parts = [_input(column, known[..., d]) * ~missing[..., d, None] for d, column in enumerate(self.columns)]
        return self.net(torch.cat([*parts, missing.to(x.dtype)], -1))


def _input(column: Spec, x: Tensor) -> Tensor:
    if column.levels:
        code = x.round().long().clamp(0, len(column.levels) - 1)
        return one_hot(code, len(column.levels)).to(x.dtype)
    if column.kind == "count" and column.treatment != "log":
        return (column.center + column.scale * x).clamp(min=0).log1p().unsqueeze(-1)
    return (LIMIT * torch.tanh(x / LIMIT)).unsqueeze(-1)
