"""load: a known data set by name, or the user's own file, folder or array."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from prioria.data.base import Dataset, Protocol, Split
from prioria.data.errors import DataError
from prioria.data.files import data_root
from prioria.data.known.catalogue import BY_NAME
from prioria.data.own.decoding import Pictures, size_of
from prioria.data.own.folders import folder_data, inspect_folder
from prioria.data.own.frames import Choices, TableInspection, series_data, series_source, table_data, table_rows
from prioria.data.own.inspection import Inspection, survey
from prioria.data.own.later import later_rows
from prioria.data.own.parts import Parts, holds_parts, part_names
from prioria.data.own.protocol import Treatment, own_data
from prioria.data.own.series import as_series
from prioria.data.own.sources import Source, Table, read_source, tabled
from prioria.data.own.windows import Series, windows
from prioria.data.schema import Schema
from prioria.data.values import series as column_of
from prioria.spelling import suggesting
from prioria.storage import read_json

if TYPE_CHECKING:
    import pandas as pd

TABLE_OPTIONS = "schema, label, ignore, kinds and dates"
PICTURE_OPTIONS = "resize, crop, color, alpha and frames"
SERIES_OPTIONS = "series, window and step"


@suggesting
def load(
    source: Any,
    *,
    root: str | Path | None = None,
    binarize: Literal["dynamic"] | None = None,
    relaxed: bool = False,
    standardize: bool = False,
    levels: int | None = None,
    resize: str | Sequence[int] | None = None,
    crop: bool = False,
    color: Literal["grey", "rgb"] | None = None,
    alpha: bool = False,
    frames: Literal["all", "first"] = "all",
    series: bool = False,
    window: int | None = None,
    step: int | None = None,
    schema: Schema | Mapping[str, Any] | str | Path | None = None,
    label: str | None = None,
    ignore: Collection[str] = (),
    kinds: Mapping[str, str] | None = None,
    dates: bool = False,
    parts: Sequence[str] | None = None,
    seed: int = 0,
) -> Dataset:
    """A data set under its protocol: one that prioria knows by name, or the user's own.

    Args:
        source: A known name ("mnist-static"); a path to a table (.csv, .tsv, .xlsx, .parquet, .feather, .arrow), to
            arrays (.npy, .npz, .mat, .h5), to a folder, .zip or .tar of pictures, or to a folder of .parquet, .feather
            or .arrow files, which are read as a stream; a DataFrame; an array (N, ...); a pair (x, y) of rows and
            labels; a torch data set or DataLoader. The user's rows are split 80/10/10 at random, unless the file holds
            a split.
        root: Folder of the original files; None = PRIORIA_DATA, else the user's cache.
        binarize: "dynamic": grey values are Bernoulli probabilities, drawn afresh for every training batch.
        relaxed: Allow a Bernoulli likelihood on grey values as they are.
        standardize: Shift and scale every column of continuous values to mean 0 and deviation 1 in the training rows.
        levels: Whole values 0 to `levels` are grey levels; None = 255 for uint8, else they are counts.
        resize: Of pictures: "64x64" or (64, 64), width and height that all are brought to; None = they are of one size.
        crop: Of pictures: cut them to the proportions of `resize` around the center, in place of stretching them.
        color: Of pictures: read all as "grey" or all as "rgb"; None = as they are, all alike.
        alpha: Of pictures: keep transparency as a channel; otherwise they are laid over white.
        frames: Of pictures: "all" pages of a TIFF and frames of a GIF are rows, or the "first" alone.
        series: Rows are series, (N, T) or (N, channels, T); real numbers with three axes are so without saying.
        window: Rows are steps in time and columns channels, of which windows of so many steps are the series.
        step: Steps from one window to the next; None = `window`, so that they do not overlap.
        schema: Of a table: its columns, as a `Schema`, its JSON or a file of it; None = found by `infer`.
        label: Of a table: the column of labels, as for `infer`.
        ignore: Of a table: columns to leave out.
        kinds: Of a table: kinds of columns that are known better.
        dates: Of a table: read parts of dates as columns of numbers.
        parts: Of a folder of parts of a table: names of those that are read; None = all that are there.
        seed: Seed of a random split; sets with a fixed split do not use it.

    Raises:
        DataError: Unknown name, missing file, or values that cannot be trained on.

    >>> import numpy as np, torch
    >>> load("digits").train.batch(torch.arange(3)).shape
    torch.Size([3, 64])
    >>> load(np.random.default_rng(0).normal(size=(50, 4))).protocol.likelihoods
    ('Gaussian',)
    """
    if isinstance(source, Dataset):
        return source
    treatment = Treatment(binarize, relaxed, standardize, levels)
    choices = Choices(_schema(schema), label, tuple(ignore), dict(kinds or {}), dates)
    forms = Pictures(size_of(resize), crop, color, alpha, frames), Series(series, window, step)
    if parts is not None and not (isinstance(source, str | Path) and (holds_parts(Path(source)) or _is_absent(source))):
        raise DataError(f"parts={list(parts)[:1]} are of a folder of parts of a table; leave them out for {source}")
    if not isinstance(source, str | Path):
        return _own(source, treatment, choices, forms, seed)
    known = str(source) in BY_NAME
    if known and (choices, *forms) != (Choices(), Pictures(), Series()):
        raise DataError(
            f"{source} has its own protocol; {PICTURE_OPTIONS} are for your pictures, {TABLE_OPTIONS} for your tables, "
            f"{SERIES_OPTIONS} for your series"
        )
    own = partial(_own, source, treatment, choices, forms, seed, parts=parts)
    data = _known(str(source), root, treatment, seed) if known else own()
    place = str(source) if known else str(Path(source).absolute())
    given = {
        name: value for form in forms for name, value in asdict(form).items() if value != getattr(type(form)(), name)
    }
    columns: dict[str, Any] = {} if data.protocol.schema is None else {"schema": data.protocol.schema.to_json()}
    if not known and holds_parts(Path(source)):  # a folder may grow, and a run keeps to what it was trained on
        columns["parts"] = list(part_names(Path(source)) if parts is None else parts)
    return replace(data, origin={"source": place, "seed": seed, **asdict(treatment), **given, **columns})


def _own(
    source: Any,
    treatment: Treatment,
    choices: Choices,
    forms: tuple[Pictures, Series],
    seed: int,
    *,
    parts: Sequence[str] | None = None,
) -> Dataset:
    pictures, series = forms
    if isinstance(source, str | Path) and holds_parts(Path(source)):
        _check_plain(source, *forms)
        return folder_data(Parts.of(Path(source), None if parts is None else tuple(parts)), choices, treatment, seed)
    found = tabled(_read(source, pictures), choices != Choices()) if series == Series() else _read(source, pictures)
    if isinstance(found, Table):
        if series != Series():
            return series_data(found, choices, series, treatment, seed)
        return table_data(found, choices, treatment, seed)
    if choices != Choices():
        raise DataError(f"{found.name} is no table; {TABLE_OPTIONS} are for these")
    return own_data(found if series == Series() else as_series(found, series), treatment, seed)


def _check_plain(source: str | Path, *forms: Pictures | Series) -> None:
    if any(form != type(form)() for form in forms):
        raise DataError(f"{source} holds parts of a table; {PICTURE_OPTIONS}, {SERIES_OPTIONS} are for others")


def _schema(given: Schema | Mapping[str, Any] | str | Path | None) -> Schema | None:
    if isinstance(given, str | Path):
        try:
            return Schema.from_json(read_json(Path(given)))
        except ValueError as error:
            raise DataError(f"{given}: {error}") from error
    return Schema.from_json(given) if isinstance(given, Mapping) else given


def _read(source: Any, pictures: Pictures) -> Source | Table:
    found = read_source(source, pictures)
    if pictures != Pictures() and (isinstance(found, Table) or found.pictures is None):
        raise DataError(f"{found.name} is no file or folder of pictures; {PICTURE_OPTIONS} are for these")
    return found


def _known(name: str, root: str | Path | None, treatment: Treatment, seed: int) -> Dataset:
    if treatment != Treatment():
        raise DataError(f"{name} has its own protocol; binarize, relaxed, standardize, levels are for your data")
    return BY_NAME[name].read(data_root(root), seed)


def inspect(
    source: Any,
    *,
    label: str | None = None,
    ignore: Collection[str] = (),
    kinds: Mapping[str, str] | None = None,
    dates: bool = False,
    resize: str | Sequence[int] | None = None,
    crop: bool = False,
    color: Literal["grey", "rgb"] | None = None,
    alpha: bool = False,
    frames: Literal["all", "first"] = "all",
    series: bool = False,
    window: int | None = None,
    step: int | None = None,
) -> Inspection | TableInspection:
    """What a file or array holds: its columns if it is a table, else shape, range, kind and legal likelihoods.

    The options of pictures and series are those of `load`; of series it is said what they are once they are cut.

    >>> print(inspect([[0, 1], [1, 1], [0, 0]]).kind)
    binary
    """
    pictures = Pictures(size_of(resize), crop, color, alpha, frames)
    choices = Choices(None, label, tuple(ignore), dict(kinds or {}), dates)
    if isinstance(source, str | Path) and holds_parts(Path(source)):
        _check_plain(source, pictures)
        return inspect_folder(Parts.of(Path(source)), choices)
    cut = Series(series, window, step)
    own = tabled(_read(source, pictures), choices != Choices()) if cut == Series() else _read(source, pictures)
    if isinstance(own, Table):
        if cut == Series():
            return TableInspection(own.name, len(own.frame), choices.schema_of(own))
        own = series_source(own, choices, cut)[0]
    elif choices != Choices():
        raise DataError(f"{own.name} is no table; {TABLE_OPTIONS} are for these")
    elif cut != Series():
        own = as_series(own, cut)
    found = replace(survey(own.rows, own.name), labels=own.describe_labels())
    return found if own.series is None else replace(found, kind="continuous", levels=None)


@dataclass(frozen=True, eq=False)
class NamedRows:
    """Rows that a model reads, and what tells them apart.

    Args:
        split: The rows.
        names: Their number in the file, from 0 on, and columns of identifiers where there are any.
    """

    split: Split
    names: pd.DataFrame

    @classmethod
    def of(cls, split: Split, table: Table | None = None, schema: Schema | None = None) -> NamedRows:
        """Rows with their numbers, and of a table its identifiers and its index."""
        import pandas as pd

        names = pd.DataFrame({"row": np.arange(len(split))})
        if schema is None or table is None or len(table.frame) != len(split):  # windows have no name
            return cls(split, names)
        for column in schema.columns:
            if column.kind in ("identifier", "index") and column.role in ("identifier", "ignored"):
                found = column_of(table.frame, column.name)
                if found is not None:
                    names[column.name or "index"] = found.to_numpy()
        return cls(split, names)


def read_rows(source: Any, protocol: Protocol, *, strict: bool = False) -> Split:
    """The user's rows under the protocol that a model was trained with, for encoding and scoring.

    Args:
        source: As for `load`, but no known name. The columns of a table are matched by name.
        protocol: The protocol of the training data; its scale is used, whatever these rows look like. Under a
            dynamic protocol grey values are drawn once.
        strict: Refuse a table that lacks a column or has another, or values that training had not.

    Raises:
        DataError: The rows have another shape, kind or range, or missing values.
    """
    return read_named_rows(source, protocol, strict=strict).split


def read_named_rows(source: Any, protocol: Protocol, *, strict: bool = False, missing: bool = False) -> NamedRows:
    """As `read_rows`, with what tells the rows apart.

    Args:
        source: As for `read_rows`.
        protocol: As for `read_rows`.
        strict: As for `read_rows`.
        missing: Keep values that are missing or infinite, and take those that the model has no probability for as such.
    """
    own = read_source(source, protocol.pictures or Pictures())
    if isinstance(own, Source) and protocol.schema is not None:
        own = with_names(own, protocol.schema)
    if isinstance(own, Table):
        return NamedRows.of(table_rows(own, protocol, strict=strict, missing=missing), own, protocol.schema)
    if protocol.series is not None:
        own = replace(own, rows=windows(own.rows, own.name, protocol.series), labels=None)
    return NamedRows.of(later_rows(own.rows, own.labels, protocol, own.name, missing=missing))


def with_names(own: Source, schema: Schema) -> Table:
    """An array of values in original units, its columns in the order of the features."""
    import pandas as pd

    names: Any = [column.name for column in schema.features]
    if own.rows.ndim != 2 or own.rows.shape[1] != len(names):
        raise DataError(f"{own.name}: rows of shape {own.rows.shape[1:]}, but the model is for {len(names)} columns")
    return Table(own.name, pd.DataFrame(own.rows, columns=names))


def _is_absent(place: str | Path) -> bool:
    """Whether there is nothing in a place, which is said by whoever reads it."""
    return not Path(place).exists()
