"""Tables in text files: encoding, delimiter, where the table begins and what its header is, then pandas."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError
from prioria.data.formats import CUT_OFF
from prioria.data.own.encodings import HEAD, encoding_of, opened
from prioria.data.own.written_numbers import COMMA

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = (",", ";", "\t", "|")
BLANK = " "
MARKERS = ("?", ".")  # for missing, beside those that pandas knows
RULER = re.compile(r"[-=_*+~|#\s]{3,}")  # a line that is drawn and holds nothing
ROWS_BELOW = 10  # a line of numbers is a header only over so many rows
LINE = re.compile(r"in line (\d+)")
FEWEST_LINES = 12
LONGEST = 2**30  # characters of a field
IN_A_ROW = 3  # so many rows of one form are a table


@dataclass(frozen=True)
class Line:
    """One row of a text file.

    Args:
        fields: what the delimiter cuts it into.
        number: the line of the file that it begins on, from 1.
        comment: whether it begins with #.
    """

    fields: list[str]
    number: int
    comment: bool = False


@dataclass(frozen=True)
class Layout:
    """Where a table is in its file.

    Args:
        delimiter: one of `DELIMITERS`, or a blank for any number of blanks and tabs.
        names: of the columns; one fewer than the fields where the first field names the row.
        first: the line that the first row is on, from 1.
        width: the fields of a row.
        skipped: lines before the table that are none of it.
    """

    delimiter: str
    names: list[str]
    first: int
    width: int
    skipped: int


def read_text(path: Path) -> pd.DataFrame:
    """A text table: its delimiter, decimal comma, header and first line are found by looking at its beginning."""
    limit = csv.field_size_limit(LONGEST)  # where a delimiter is tried that is none, a whole line is one field
    try:
        return _read(path)
    finally:
        csv.field_size_limit(limit)


def _read(path: Path) -> pd.DataFrame:
    encoding = encoding_of(path)
    with opened(path, encoding) as stream:
        lines = _first_lines(stream)
    if not any(line.strip() for line in lines):
        raise DataError(f"{path} is empty")
    layout = _layout(path, lines)
    if layout.skipped:
        warnings.warn(f"{path}: lines before the table, left out: {layout.skipped}", stacklevel=2)
    frame = _parsed(path, encoding, layout, [line for line in lines[layout.first - 1 :] if "#" in line])
    if not len(frame):
        raise DataError(f"{path} has a header but no rows")
    if len(frame.columns) > 1 and frame.iloc[:, -1].isna().any():
        _tell_short(path, encoding, layout)
    return frame


def _first_lines(stream: TextIOWrapper) -> list[str]:
    """Whole lines by which a file is judged: those of 64 Ki characters, or a dozen where they are longer."""
    head = stream.read(HEAD)
    while (lines := head.splitlines()) and len(lines) <= FEWEST_LINES and (more := stream.read(len(head))):
        head += more
    return lines if len(head) < HEAD or not stream.read(1) else lines[:-1]


def _parsed(path: Path, encoding: str, layout: Layout, commented: Sequence[str]) -> Any:
    import pandas as pd

    before = layout.first - 1
    with opened(path, encoding) as stream:
        for _ in range(before):
            stream.readline()
        try:
            return pd.read_csv(
                stream,
                sep=r"\s+" if layout.delimiter == BLANK else layout.delimiter,
                header=None,
                names=layout.names,
                na_values=list(MARKERS),
                comment="#" if commented and all(line.startswith("#") for line in commented) else None,
                skipinitialspace=True,
                low_memory=False,
            )
        except pd.errors.ParserError as error:
            message = LINE.sub(lambda found: f"in line {int(found[1]) + before}", str(error))
            raise DataError(f"{path} cannot be read ({message.strip()}); {CUT_OFF}") from error


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[Line]:
    """The rows of text, without blank lines and rulers."""
    text = (line.replace("\t", BLANK).strip() for line in lines) if delimiter == BLANK else lines
    reader, begun = csv.reader(text, delimiter=delimiter, skipinitialspace=True), 1
    for row in reader:
        number, begun = begun, reader.line_num + 1
        fields = [field.strip() for field in row]
        if any(fields) and not RULER.fullmatch(lines[number - 1]):
            comment = fields[0].startswith("#")
            yield Line(
                [each for each in (fields[0][1:].strip(), *fields[1:]) if each] if comment else fields, number, comment
            )


def _delimiter(lines: Sequence[str]) -> str:
    """The one that cuts most lines into the same number of fields, and into most; blanks where no other does."""

    def quality(delimiter: str) -> tuple[float, int]:
        counts = [len(row.fields) for row in _rows(lines, delimiter)]
        common = max(set(counts), key=counts.count) if counts else 0
        return (counts.count(common) / len(counts) if common > 1 else 0.0), common

    found = {delimiter: quality(delimiter) for delimiter in (*DELIMITERS, BLANK)}
    best = max(DELIMITERS, key=lambda each: found[each])
    whole = [line.split() for line in lines if line.strip()]
    if all(len(words) == len(whole[0]) > 1 and all(map(COMMA.fullmatch, words)) for words in whole[1:]):
        return BLANK  # between numbers with decimal commas
    if all(len(line.split(";")) == len(lines[0].split(";")) > 1 for line in lines):
        return ";"  # the same
    return BLANK if found[BLANK][0] > found[best][0] and _are_numbers(whole, found[BLANK][1]) else best


def _are_numbers(rows: Sequence[list[str]], width: int) -> bool:
    """Whether half of what blanks part are numbers: sentences are no table."""
    words = [word for row in rows if len(row) == width for word in row]
    return 2 * sum(map(is_number, words)) >= len(words)


def _layout(path: Path, lines: Sequence[str]) -> Layout:
    delimiter = _delimiter(lines)
    rows = list(_rows(lines, delimiter))
    if not rows:
        raise DataError(f"{path} holds no table: its first lines are drawn ones")
    counts = [len(row.fields) for row in rows if not row.comment] or [0]
    width = max(set(counts), key=counts.count)
    begin = _begin(rows, width)
    header = _header(rows, begin, width)
    place = begin if header is None else header
    first = rows[place + 1 if header is not None and place + 1 < len(rows) else place]
    if header is not None and len(rows) == 1:
        raise DataError(f"{path} has a header but no rows")
    names = [f"column {number}" for number in range(width)]
    if header is not None:
        names = named([field.strip("'\"") for field in rows[header].fields], width)
        if header == 0:
            _check_width(path, [row.fields for row in rows], len(names))
    return Layout(delimiter, names, first.number, width, place)


def _begin(rows: Sequence[Line], width: int) -> int:
    """The place of the first row, or of its header if that is the first line.

    That is the first line if it has the common width, or one field more or fewer and words above a row of numbers; else
    the first of three rows of the common width that have numbers where most rows have.
    """
    fits = [not row.comment and len(row.fields) == width for row in rows]
    if fits[0]:
        return 0
    body = [row.fields for row, fit in zip(rows, fits, strict=True) if fit]
    plain = np.array([[is_number(field) for field in row] for row in body]).reshape(-1, width).mean(0) > 0.5
    like = [
        fit and all(is_number(field) for field, wanted in zip(row.fields, plain, strict=True) if wanted)
        for row, fit in zip(rows, fits, strict=True)
    ]
    first = rows[0].fields
    near = abs(len(first) - width) <= 1 and not any(is_number(field) for field in first if field)
    if near and not rows[0].comment and all(like[1:2]):
        return 0
    return next((place for place in range(len(rows)) if all(like[place : place + IN_A_ROW])), 0)


def _header(rows: Sequence[Line], begin: int, width: int) -> int | None:
    """The place of the header, if there is one: the first line, or the one above the first row of numbers."""
    if begin == 0:
        return 0 if is_header([row.fields for row in rows]) else None
    above = rows[begin - 1].fields
    fits = abs(len(above) - width) <= 1 and not any(is_number(field) for field in above if field)
    if fits or is_header([row.fields for row in rows[begin:]]):
        return begin - 1 if fits else begin
    return None


def named(fields: Sequence[str], width: int) -> list[str]:
    """Names of columns as pandas gives them: one that comes twice is counted, one that lacks is Unnamed: PLACE."""
    kept = list(fields[:width] if not any(fields[width:]) else fields)
    names: dict[str, None] = {}
    for place, field in enumerate(kept):
        base = name = field or f"Unnamed: {place}"
        again = 1
        while name in names:
            name, again = f"{base}.{again}", again + 1
        names[name] = None
    return list(names)


def _check_width(path: Path, fields: list[list[str]], names: int) -> None:
    """Refuses one name too few, unless the first field of each row is its name or number, as R writes it."""
    lengths = [len(row) for row in fields[1:]]
    if lengths and names < min(lengths):
        first = [number(row[0]) for row in fields[1:]]
        counted = all(value is not None for value in first) and len(set(first)) == len(first)
        if min(lengths) > names + 1 or not (counted or all(value is None for value in first)):
            raise DataError(f"{path}: the first line has {names} names, the others {min(lengths)} fields; name each")


def _tell_short(path: Path, encoding: str, layout: Layout) -> None:
    """Warns of rows with fewer fields than the others, which pandas fills with missing values."""
    with opened(path, encoding) as stream:
        rows = [row for row in _rows(stream.read().splitlines(), layout.delimiter) if row.number >= layout.first]
    if short := [row for row in rows if len(row.fields) < layout.width and not row.comment]:
        warnings.warn(
            f"{path}: lines with fewer than {layout.width} fields: {len(short)}, the first line {short[0].number} with "
            f"{len(short[0].fields)}; what lacks is taken as missing",
            stacklevel=2,
        )


def is_header(fields: list[list[str]]) -> bool:
    """Whether the first line names the columns.

    A line of numbers does where it numbers the columns, counts on by one above fractions, as years do, or rises and
    lies outside what is below it, as wavelengths do.
    """
    first, below = fields[0], [row for row in fields[1:] if len(row) == len(fields[0])]
    known = [number(name) for name in first]
    if any(name and value is None for name, value in zip(first, known, strict=True)):
        return True
    values = np.array([value for value in known if value is not None and np.isfinite(value)])
    if len(values) > 2 and any(np.array_equal(values, np.arange(len(values)) + start) for start in (0, 1)):
        return True
    if len(values) < 2 or len(below) < ROWS_BELOW or not (np.diff(values) > 0).all():
        return False
    numbers = np.array([[np.nan if (v := number(field)) is None else v for field in row] for row in below])
    if len(values) > 2 and (np.diff(values) == 1).all() and (np.isfinite(numbers) & (numbers % 1 != 0)).any():
        return True
    low, high = _range(numbers)
    own = np.array([np.nan if value is None else value for value in known])
    return bool(np.all(~np.isfinite(own) | (own < low) | (own > high)))


def _range(numbers: NDArray) -> tuple[NDArray, NDArray]:
    kept = np.isfinite(numbers)
    return np.min(numbers, 0, where=kept, initial=np.inf), np.max(numbers, 0, where=kept, initial=-np.inf)


def is_number(text: str) -> bool:
    """Whether a word is a number, or empty."""
    return number(text) is not None


def number(text: str) -> float | None:
    """The number that a word is, NaN for an empty one; None for other words."""
    try:
        return float(text.replace(",", ".") or "nan")
    except ValueError:
        return None
