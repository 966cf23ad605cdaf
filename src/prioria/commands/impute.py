"""The command that fills missing entries in, and rows that are drawn with some columns given."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from prioria import imputation
from prioria.commands.opened import ModelPlace, Opened, Strict
from prioria.commands.parts import Cluster, Jobs, check_alone, of_each, over_parts
from prioria.conditionals import Conditional
from prioria.data import DataError, Schema, written
from prioria.data.loading import with_names
from prioria.data.own.frames import named, tell
from prioria.data.own.parts import holds_parts
from prioria.data.own.sources import Table, read_source
from prioria.data.own.tables import prepared

if TYPE_CHECKING:
    import pandas as pd

TableFile = Annotated[str, Parameter(help="A table with the columns of the training data, entries missing.")]
OutTable = Annotated[
    Path, Parameter(help="The table to write (.csv, .tsv, .parquet, .feather, .xlsx, .json), or .npz.")
]


def impute(
    model: ModelPlace,
    data: TableFile,
    /,
    *,
    out: OutTable,
    draws: int = 10,
    num_samples: int = 1000,
    seed: int = 0,
    strict: Strict = False,
    jobs: Jobs = 1,
    cluster: Cluster = None,
) -> None:
    """Fill missing entries in, several times: column draw counts the tables, which stand one below the other.

    What was there stays as it was. effective_samples, NAME_sd and NAME_probability say how sure the rest is.
    Of a folder of .parquet, .feather or .arrow parts each becomes a part of the folder --out; those that are there
    already are not filled in again.

    Args:
        draws: how many tables.
        num_samples: samples of the posterior for each row, of which the draws are taken by their importance weights.
        seed: of the random numbers.
    """
    if holds_parts(Path(data)):
        schema_of(Opened.of(model))
        compute = partial(impute_part, draws=draws, num_samples=num_samples, strict=strict)
        about = {"command": "impute", "draws": draws, "num_samples": num_samples}
        computes = of_each(Path(data), compute)
        return over_parts(computes, model, Path(data), out, about=about, seed=seed, jobs=jobs, cluster=cluster)
    check_alone(jobs, cluster)
    written.check_written(out)
    opened = Opened.of(model)
    schema = schema_of(opened)
    read = read_source(data)
    table = read if isinstance(read, Table) else with_names(read, schema)
    tell(table.name, named(table.name, lambda: schema.differences(table.frame, strict=strict, more=False)))
    frame, found = imputation.complete(opened.model, schema, table.frame, draws, num_samples=num_samples, seed=seed)
    arrays = {"x": found.draws[:draws], "effective_samples": found.effective_samples}
    written.write(out, lambda: frame, arrays)
    filled = f"{int(found.missing.sum())} missing entries of {int(found.missing.any(-1).sum())} rows filled in"
    print(f"{filled}, {draws} times, in {out}")
    say_doubt(found)


def impute_part(
    opened: Opened, rows: pd.DataFrame, seed: int, *, draws: int, num_samples: int, strict: bool = False
) -> pd.DataFrame:
    """Returns what ``impute`` writes of one part."""
    schema, table = schema_of(opened), prepared(rows, "the part")
    tell("the part", schema.differences(table, strict=strict, more=False))
    return imputation.complete(opened.model, schema, table, draws, num_samples=num_samples, seed=seed)[0]


def sample_given(folder: Path, given: Sequence[str], num_samples: int, *, seed: int, out: Path | None) -> None:
    """Draws rows with some columns given as COLUMN=VALUE, and prints them or writes them into a table."""
    if out is not None:
        written.check_written(out)
    for each in given:
        if "=" not in each:
            raise ValueError(f"--given {each} must be COLUMN=VALUE, as in --given species=Adelie")
    values = {each.partition("=")[0]: each.partition("=")[2] for each in given}
    opened = Opened.of(folder)
    frame, found = imputation.given(opened.model, schema_of(opened), values, num_samples, seed=seed)
    if out is None:
        print(frame.to_csv(index=False), end="")
    else:
        written.write(out, lambda: frame, {"x": found.draws[:, 0]})
        print(f"{num_samples} samples given {', '.join(given)} in {out}")
    say_doubt(found)


def say_doubt(found: Conditional) -> None:
    """Says on standard error where effective samples are few."""
    if found.doubt is not None:
        print(f"Note: {found.doubt}", file=sys.stderr)


def schema_of(opened: Opened) -> Schema:
    """Returns the columns of a model; DataError where it is not of a table."""
    protocol = opened.protocol
    if protocol.schema is None or protocol.kind != "columns":
        raise DataError(f"the model is of {protocol.name}, which is no table of columns of several kinds")
    return protocol.schema
