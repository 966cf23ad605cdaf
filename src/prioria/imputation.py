"""Tables with their missing entries filled in, and rows with some columns given: in names, kinds and units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from prioria.conditionals import Conditional
from prioria.data import DataError
from prioria.data.schema import NAMES, Column, Schema
from prioria.model import VAE

if TYPE_CHECKING:
    import pandas as pd

SPREAD = 200  # draws, at least, that say how sure an entry is


def complete(
    model: VAE, schema: Schema, frame: pd.DataFrame, draws: int = 10, *, num_samples: int = 1000, seed: int = 0
) -> tuple[pd.DataFrame, Conditional]:
    """Fills the missing entries of a table in several times: multiple imputation (Rubin, 1987).

    Each draw is the whole table once more. What was there stays as it was, and columns beside say how sure the rest is:
    ``draw`` from 1 on, ``row``, ``effective_samples`` of each row with missing entries, and of each column that has
    any ``NAME_sd`` (of numbers, in their units) or ``NAME_probability`` (of the level that is filled in), both under
    p(missing | observed), and empty where the entry was there.

    Args:
        model: a model of the columns.
        schema: the columns; ``run.data.protocol.schema``.
        frame: rows, their columns matched by name. One that is absent is filled in everywhere.
        draws: how many tables.
        num_samples: samples of the posterior for each row.
        seed: of the random numbers; those of the caller stay as they were.

    Returns:
        The tables, one below the other, and the draws in the units of x.

    Raises:
        ValueError: a number is out of range, or the model cannot leave missing entries out.
        DataError: no column fits, or one has a name that is needed for another.
    """
    import pandas as pd

    if draws < 1:
        raise ValueError(f"draws={draws} must be at least 1")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        count = max(draws, SPREAD)
        x = torch.from_numpy(schema.encode(frame))
        found = model.conditional(x, count, num_samples=max(num_samples, count))
    missing, values = found.missing.numpy(), found.draws.numpy()
    holes = np.asarray(missing.any(1))
    extra = {"row": np.arange(len(frame)), "effective_samples": _where(holes, found.effective_samples.numpy())}
    columns = [(d, column) for d, column in enumerate(schema.features) if missing[:, d].any()]
    taken = set(map(str, frame.columns)) & {"draw", *extra, *(_sure(column) for _, column in columns)}
    if taken:
        raise DataError(f"column {min(taken)!r} has the name of one that is added; rename it")
    tables = []
    for draw in range(draws):
        table, decoded = frame.reset_index(drop=True), schema.decode(values[draw])
        for d, column in columns:
            table[column.name] = _filled(column, table.get(column.name), decoded[column.name], missing[:, d])
        sure = {_sure(column): _where(missing[:, d], _how_sure(column, values[:, :, d], draw)) for d, column in columns}
        tables.append(table.assign(**extra, **sure, draw=draw + 1))
    return pd.concat(tables, ignore_index=True), found


def given(
    model: VAE, schema: Schema, values: Mapping[str, Any], num_samples: int, *, seed: int = 0
) -> tuple[pd.DataFrame, Conditional]:
    """Draws rows whose other columns are given, from p(the rest | these).

    Args:
        model: a model of the columns.
        schema: the columns.
        values: a value, or its text, for each of some columns.
        num_samples: how many rows.
        seed: of the random numbers; those of the caller stay as they were.

    Raises:
        DataError: a column or a level that the schema does not know, or no number.
        ValueError: no row is asked for, or the model cannot leave missing entries out.
    """
    import pandas as pd

    known = {column.name: column for column in schema.features}
    for name, value in values.items():
        if name not in known:
            raise DataError(f"column {name!r} is unknown; the model has {', '.join(known)}")
        column, one = known[name], schema.encode(pd.DataFrame({name: [value]}, dtype=object))
        if np.isnan(one).all():
            wanted = f"one of {', '.join(column.levels)}" if column.levels else f"a {column.kind} number"
            raise DataError(f"column {name!r}: {value!r} is not known; give {wanted}")
    frame = pd.DataFrame({name: [value] for name, value in values.items()}, dtype=object)
    x = torch.from_numpy(schema.encode(frame)) if values else torch.full((1, len(known)), torch.nan)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        found = model.conditional(x, num_samples, num_samples=max(1000, 10 * num_samples))
    return schema.decode(found.draws[:, 0].numpy()), found


def _sure(column: Column) -> str:
    return f"{column.name}_{'probability' if column.kind in NAMES else 'sd'}"


def _how_sure(column: Column, x: NDArray, draw: int) -> NDArray[np.float64]:
    """The standard deviation of draws x (M, N) in the column's units, or the share of the level of one draw (N,)."""
    if column.kind in NAMES:
        return (x == x[draw]).mean(0)
    values = column.center + column.scale * x.astype(np.float64)
    return (np.exp(values) if column.treatment == "log" else values).std(0)


def _where(there: NDArray, values: NDArray) -> NDArray[np.float64]:
    return np.where(there, values, np.nan)


def _filled(column: Column, old: pd.Series | None, new: Any, missing: NDArray) -> pd.Series:
    if old is None or missing.all():
        return new
    mixed = old.astype(object).where(~missing, new.astype(object)).infer_objects()
    return mixed.astype("Int64") if column.integer and column.kind not in NAMES else mixed
