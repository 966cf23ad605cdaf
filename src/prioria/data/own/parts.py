"""Folders of Parquet or Arrow files: one table in parts, of which row groups are read one by one."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError
from prioria.data.formats import naming
from prioria.data.own.archives import is_litter
from prioria.data.own.arrow import opened_pieces
from prioria.data.own.pictures import SUFFIXES as PICTURES

if TYPE_CHECKING:
    import pandas as pd

FORMATS = {".parquet": "parquet", ".feather": "ipc", ".arrow": "ipc"}  # suffix -> what pyarrow calls it
SAMPLE_VALUES, SAMPLE_GROUPS = 2**24, 64
"""Random rows of a folder have so many values at most, and are from so many row groups at most."""


@dataclass(frozen=True, eq=False)
class RowGroup:
    """Rows that are read together: a row group of a Parquet file, or an Arrow file.

    Args:
        part: the file, below the folder.
        number: of the group in its file.
        rows: how many.
        fragment: what reads them.
    """

    part: str
    number: int
    rows: int
    fragment: Any


@dataclass(frozen=True, eq=False)
class Drawn:
    """Rows of a folder at random.

    Args:
        frame: the rows.
        groups: the number of the group of each row (N,).
        places: its number within the group (N,).
    """

    frame: pd.DataFrame
    groups: NDArray
    places: NDArray


@dataclass(frozen=True, eq=False)
class Parts:
    """A table in parts.

    Args:
        folder: where they lie.
        names: of the parts below the folder, sorted.
        groups: all row groups, in the order of the parts.
        columns: the schema of pyarrow that all parts share.
    """

    folder: Path
    names: tuple[str, ...]
    groups: tuple[RowGroup, ...]
    columns: Any

    @classmethod
    def of(cls, folder: Path, names: tuple[str, ...] | None = None) -> Parts:
        """Looks at the names of the parts and at their footers; folders named KEY=VALUE are columns.

        Args:
            folder: where they lie.
            names: some of the parts; None = all.

        Raises:
            DataError: pyarrow is missing, two formats are mixed, a part cannot be read, or there is no row.
        """
        names = part_names(folder) if names is None else names
        if gone := [name for name in names if not (folder / name).is_file()]:
            raise DataError(
                f"{folder}: the part {gone[0]} is not there any more ({len(gone)} of {len(names)} parts); put it back, "
                "or train again on what there is"
            )
        if importlib.util.find_spec("pyarrow") is None:
            raise DataError(f"{folder} holds parts of a table and needs pyarrow: pip install 'prioria[data]'")
        formats = {FORMATS[Path(name).suffix.lower()] for name in names}
        if len(formats) > 1:
            raise DataError(f"{folder} mixes Parquet and Arrow files; put each into a folder of its own")
        with naming(folder):
            columns, groups = _opened(folder, names, formats.pop())
        if not groups:
            raise DataError(f"{folder}: its {len(names)} parts have no rows")
        return cls(folder, names, groups, columns)

    def __len__(self) -> int:
        return sum(group.rows for group in self.groups)

    def read(self, group: RowGroup, needed: frozenset[str] | None = None) -> Any:
        """The rows of a group as a table of pyarrow; `needed` names the columns that are read, all without."""
        names = [name for name in self.columns.names if needed is None or name.strip() in needed]
        with naming(self.folder / group.part):
            return group.fragment.to_table(schema=self.columns, columns=names)

    def part(self, name: str) -> pd.DataFrame:
        """All rows of one part.

        Raises:
            DataError: it cannot be read, or has no rows.
        """
        tables = [self.read(group) for group in self.groups if group.part == name]
        if not tables:
            raise DataError(f"{self.folder / name} has no rows; remove it")
        return _frame(tables)

    def drawn(self, among: NDArray, most: int, seed: int) -> Drawn:
        """Rows at random, all or up to a number of them, of up to 64 groups.

        Args:
            among: numbers of the groups that they are from.
            most: rows at most; fewer where they have many columns.
            seed: of the choice.
        """
        generator = np.random.default_rng(seed)
        chosen = np.sort(generator.permutation(among)[:SAMPLE_GROUPS])
        sizes = np.array([self.groups[number].rows for number in chosen])
        most = min(most, max(SAMPLE_VALUES // len(self.columns.names), 1000))
        total = int(sizes.sum())
        rows = np.arange(total) if total <= most else np.sort(generator.choice(total, most, replace=False))
        of_group = np.searchsorted(sizes.cumsum(), rows, side="right")
        places = rows - (sizes.cumsum() - sizes)[of_group]
        tables = [
            self.read(self.groups[number]).take(places[of_group == k]) for k, number in enumerate(chosen.tolist())
        ]
        return Drawn(_frame(tables), chosen[of_group], places)


def joined(drawn: Sequence[Drawn]) -> Drawn:
    """Several drawings as one."""
    import pandas as pd

    frame = pd.concat([each.frame for each in drawn], ignore_index=True)
    groups, places = (np.concatenate([getattr(each, name) for each in drawn]) for name in ("groups", "places"))
    return Drawn(frame, groups, places)


def _frame(tables: Sequence[Any]) -> pd.DataFrame:
    import pyarrow as pa

    return pa.concat_tables(tables).to_pandas()


def holds_parts(path: Path) -> bool:
    """Whether a path is a folder of parts of a table, and of no pictures."""
    if not path.is_dir():
        return False
    found = False
    for file in path.rglob("*"):
        suffix = file.suffix.lower()
        if suffix in PICTURES:
            return False
        found = found or (suffix in FORMATS and _is_part(file.relative_to(path).as_posix()) and file.is_file())
    return found


def part_names(folder: Path) -> tuple[str, ...]:
    """Names of the parts below a folder, sorted; those that begin with a dot or underscore are no data."""
    files = (file for file in folder.rglob("*") if file.suffix.lower() in FORMATS and file.is_file())
    return tuple(sorted(name for file in files if _is_part(name := file.relative_to(folder).as_posix())))


def _is_part(name: str) -> bool:
    return not is_litter(name) and not any(each.startswith((".", "_")) for each in PurePosixPath(name).parts)


def _opened(folder: Path, names: tuple[str, ...], form: str) -> tuple[Any, tuple[RowGroup, ...]]:
    import pyarrow as pa

    opened = opened_pieces(folder, names) if form == "ipc" else _row_groups(folder, names)
    columns, groups = pa.schema([]), []
    for name, (schema, pieces) in zip(names, opened, strict=True):
        with naming(folder / name):
            try:
                columns = pa.unify_schemas([columns, schema], promote_options="permissive")
            except pa.ArrowException as error:
                raise DataError(f"{folder / name} has other columns than the parts before it ({error})") from error
        groups += [RowGroup(name, number, piece.rows, piece) for number, piece in enumerate(pieces)]
    return columns, tuple(group for group in groups if group.rows)


@dataclass(frozen=True)
class _RowGroup:
    """A row group of a Parquet file; count_rows of its fragment is that of the whole file."""

    fragment: Any
    rows: int

    def to_table(self, **chosen: Any) -> Any:
        return self.fragment.to_table(**chosen)


def _row_groups(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[Any, list[_RowGroup]]]:
    import pyarrow.dataset as arrow

    places = [(folder / name).as_posix() for name in names]
    options: Any = {"format": "parquet", "partitioning": "hive", "partition_base_dir": folder.as_posix()}
    found = arrow.dataset(places, **options)
    for number, fragment in enumerate(found.get_fragments()):
        with naming(folder / names[number]):
            pieces = [_RowGroup(each, each.row_groups[0].num_rows) for each in fragment.split_by_row_group()]
            yield (found.schema if number == 0 else fragment.physical_schema), pieces
