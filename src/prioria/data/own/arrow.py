"""Arrow files, mapped into memory: pieces of their record batches, of which only what is asked for is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from prioria.data.formats import naming

PIECE = 2**16
"""Rows of a piece: a batch may be the whole file."""


@dataclass(frozen=True)
class Piece:
    """Rows of one record batch.

    Args:
        file: where they are.
        batch: the number of the batch.
        start: the first row in it.
        rows: how many.
        keys: values of folders named KEY=VALUE, which are columns.
    """

    file: Path
    batch: int
    start: int
    rows: int
    keys: Mapping[str, Any]

    def to_table(self, *, schema: Any, columns: Sequence[str]) -> Any:
        """Some columns of a schema as a table of pyarrow; those that the file lacks are missing."""
        import pyarrow as pa

        batch = _Mapped(self.file).batch(self.batch).slice(self.start, self.rows)
        found = {}
        for name in columns:
            kind = schema.field(name).type
            if name in batch.schema.names:
                found[name] = batch.column(name).cast(kind)
            elif name in self.keys:
                found[name] = pa.repeat(pa.scalar(self.keys[name], kind), self.rows)
            else:
                found[name] = pa.nulls(self.rows, kind)
        return pa.table(found)


class _Mapped:
    """An opened file of either format: with an index of its batches, or a stream of them."""

    def __init__(self, file: Path) -> None:
        import pyarrow as pa

        mapped = pa.memory_map(str(file))
        try:
            self.file, self.batches = pa.ipc.open_file(mapped), None
            self.schema, self.count = self.file.schema, self.file.num_record_batches
        except pa.ArrowInvalid:  # what is mapped is not copied, so that all batches of a stream cost no memory
            stream = pa.ipc.open_stream(pa.memory_map(str(file)))
            self.schema, self.batches = stream.schema, list(stream)
            self.count = len(self.batches)

    def batch(self, number: int) -> Any:
        return self.file.get_batch(number) if self.batches is None else self.batches[number]


def opened_pieces(folder: Path, names: Sequence[str]) -> Iterator[tuple[Any, list[Piece]]]:
    """The schema of each file, with columns of its folders, and its pieces."""
    import pyarrow as pa

    keys = _keys(names)
    for name in names:
        with naming(folder / name):
            mapped = _Mapped(folder / name)
            schema = mapped.schema
            for key, value in keys[name].items():
                schema = schema if key in schema.names else schema.append(pa.field(key, pa.scalar(value).type))
            pieces = []
            for number in range(mapped.count):
                rows = mapped.batch(number).num_rows
                starts = range(0, rows, PIECE)
                pieces += [Piece(folder / name, number, at, min(PIECE, rows - at), keys[name]) for at in starts]
            yield schema, pieces


def read_arrow(file: Path) -> Any:
    """The whole table of a file, as pandas has it."""
    import pyarrow as pa

    mapped = _Mapped(file)
    return pa.Table.from_batches(map(mapped.batch, range(mapped.count)), mapped.schema).to_pandas()


def _keys(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """KEY=VALUE of the folders of each file; values of a key are whole numbers where all of them are."""
    found = {name: dict(part.split("=", 1) for part in PurePosixPath(name).parts[:-1] if "=" in part) for name in names}
    words: dict[str, set[str]] = {}
    for keys in found.values():
        for key, value in keys.items():
            words.setdefault(key, set()).add(value)
    whole = {key for key, values in words.items() if all(value.lstrip("-").isdecimal() for value in values)}
    return {
        name: {key: int(value) if key in whole else value for key, value in keys.items()}
        for name, keys in found.items()
    }
