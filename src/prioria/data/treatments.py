"""Tables under another treatment of their numbers: without logarithms, where these do not pay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from prioria.data.base import Dataset
from prioria.data.column import Column
from prioria.data.loading import load
from prioria.data.own.sources import is_frame
from prioria.data.schema import Schema


def without_logs(data: Dataset, names: Collection[str], source: Any = None) -> Dataset:
    """The same rows with some columns standardized, by the moments of the training rows, in place of their logarithms.

    What was loaded from a file, or from a `source` in memory, is loaded once more: the rows are then bit for bit those
    that the same source gives later. Others are computed from their logarithms, and differ in the last digits.

    Args:
        data: a table; of one that is read as a stream the moments are those of its sample.
        names: columns; others, and those that have no logarithm, stay as they are.
        source: what `data` was loaded from, where that was a table in memory.

    Example:
        >>> import numpy as np, pandas as pd
        >>> from prioria.data import load
        >>> table = load(pd.DataFrame({"size": np.exp(np.random.default_rng(0).normal(size=50))}))
        >>> [each.protocol.schema.features[0].treatment for each in (table, without_logs(table, ["size"]))]
        ['log', 'standardize']
    """
    schema = data.protocol.schema
    assert schema is not None
    places = [d for d, each in enumerate(schema.features) if each.name in names and each.treatment == "log"]
    if not places:
        return data
    known = _values(data.train.tensor(), schema.features, places)
    treated = {
        schema.features[d].name: _standardized(schema.features[d], v) for d, v in zip(places, known.T, strict=True)
    }
    found = Schema(tuple(treated.get(each.name, each) for each in schema.columns))
    if data.origin is not None:
        return load(**{**data.origin, "schema": found})
    if is_frame(source):
        return load(source, schema=found)
    return _computed(data, found, places)


def _computed(data: Dataset, found: Schema, places: list[int]) -> Dataset:
    """Rows in memory under a schema in which some columns are standardized, from their logarithms under another."""
    before = data.protocol.schema
    assert before is not None
    center, scale = (torch.tensor([getattr(found.features[d], of) for d in places]) for of in ("center", "scale"))
    protocol = replace(data.protocol, schema=found)
    splits = []
    for part in (data.train, data.validation, data.test):
        rows = torch.as_tensor(part.rows).clone()
        v = _values(rows, before.features, places)
        rows[:, places] = ((v - center.double()) / scale.double()).to(rows.dtype)
        splits.append(replace(part, rows=rows, protocol=protocol))
    return Dataset(protocol, *splits)


def _values(rows: Tensor, columns: tuple[Column, ...], places: list[int]) -> Tensor:
    """Numbers (N, P) in original units."""
    x = rows[:, places].double()
    center, scale = (torch.tensor([getattr(columns[d], of) for d in places]).double() for of in ("center", "scale"))
    return torch.exp(center + scale * x)


def _standardized(column: Column, values: Tensor) -> Column:
    known = values[~values.isnan()].numpy()
    scale = float(known.std()) if len(known) else 1.0
    center = float(known.mean()) if len(known) else 0.0
    return replace(column, treatment="standardize", center=center, scale=scale if scale > 0 else 1.0)
