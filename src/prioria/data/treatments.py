"""Tables under another treatment of their numbers: without logarithms, where these do not pay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from prioria.data.base import Dataset
from prioria.data.column import Column
from prioria.data.loading import load
from prioria.data.schema import Schema


def without_logs(data: Dataset, names: Collection[str]) -> Dataset:
    """The same rows with some columns standardized, by the moments of the training rows, in place of their logarithms.

    Args:
        data: a table; one that is read as a stream is opened again, and the moments are those of its sample.
        names: columns; others, and those that have no logarithm, stay as they are.

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
    parts = (data.train, data.validation, data.test)
    if not all(isinstance(part.rows, Tensor) for part in parts):
        return data if data.origin is None else load(**{**data.origin, "schema": found})
    values = [_values(torch.as_tensor(part.rows), schema.features, places) for part in parts]
    center, scale = (torch.tensor([getattr(found.features[d], of) for d in places]) for of in ("center", "scale"))
    protocol = replace(data.protocol, schema=found)
    splits = []
    for part, v in zip(parts, values, strict=True):
        rows = torch.as_tensor(part.rows).clone()
        rows[:, places] = ((v - center.double()) / scale.double()).to(rows.dtype)
        splits.append(replace(part, rows=rows, protocol=protocol))
    origin = data.origin if data.origin is None else {**data.origin, "schema": found.to_json()}
    return Dataset(protocol, *splits, origin=origin)


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
