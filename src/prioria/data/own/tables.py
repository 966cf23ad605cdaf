"""Tables in files, read by pandas: text (.csv, .tsv), Excel, parquet, feather and Arrow, all to one kind of table."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prioria.data.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

HEAD = 2**16  # characters of a text file by which it is judged
DELIMITERS = (",", ";", "\t", "|")
MARKERS = ("?", ".")  # for missing, beside those that pandas knows
COMMA = re.compile(r"\s*[-+]?\d*,\d+\s*")  # a number with a decimal comma
ROWS_BELOW = 10  # a line of numbers is a header only over so many rows


def read_table(path: Path) -> pd.DataFrame:
    """The table of a file, its columns named by text, decimal commas read, and missing values as NaN.

    Raises:
        DataError: a package of the extra 'data' is missing, or there are no rows or columns.
    """
    suffix = path.suffix.lower()
    read, package = TABLES[suffix]
    if package and importlib.util.find_spec(package) is None:
        raise DataError(f"{path} needs {package}: pip install 'prioria[data]', or save it as .csv")
    return prepared(read(path), str(path))


def prepared(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The same table under one rule, whatever it came from.

    An index that says something becomes a column, names become text without blanks around, and text of numbers
    becomes numbers.
    """
    import pandas as pd

    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(names=[each or f"index {i}" for i, each in enumerate(frame.index.names)])
    names = [" ".join(map(str, each)).strip() if isinstance(each, tuple) else str(each).strip() for each in frame]
    if twice := next((each for each in names if names.count(each) > 1), None):
        raise DataError(f"{name}: column {twice!r} comes twice; rename one")
    if not len(frame) or not names:
        raise DataError(f"{name} has a header but no rows" if names else f"{name} is empty")
    columns: Any = {each: _parsed(frame.iloc[:, place]) for place, each in enumerate(names)}
    return pd.DataFrame(columns)


def _parsed(values: pd.Series) -> pd.Series:
    """Text of which every word is a number as numbers; blanks around words go."""
    import pandas as pd

    if not pd.api.types.is_string_dtype(values) or isinstance(values.dtype, pd.CategoricalDtype):
        return values
    text: Any = values.str.strip() if values.notna().any() else values
    text = text.where(~text.isin(["", *MARKERS]))
    known = text.dropna()
    if len(known) and isinstance(known.iloc[0], str):
        if known.str.fullmatch(COMMA).all():
            return text.str.replace(",", ".", regex=False).astype(float)
        if not known.str.fullmatch(r"0\d+").any():  # codes such as 0123 are names
            numbers: Any = pd.to_numeric(text, errors="coerce")
            return numbers if len(numbers.dropna()) == len(known) else text
    return text


def read_text(path: Path) -> pd.DataFrame:
    """A text table: its delimiter, decimal comma and header are found by looking at its first lines."""
    import pandas as pd

    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as stream:
        head = stream.read(HEAD)
    lines = head.splitlines() if len(head) < HEAD else head.splitlines()[:-1]
    blank = next((place for place, line in enumerate(lines) if line.strip()), None)
    if blank is None:
        raise DataError(f"{path} is empty")
    lines = [line for line in lines[blank:] if line.strip()]
    delimiter = _delimiter(lines[:50])
    fields = [[field.strip() for field in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    header = is_header(fields)
    if header and len(lines) == 1:
        raise DataError(f"{path} has a header but no rows")
    _check_width(path, fields, header)
    return pd.read_csv(
        path,
        sep=delimiter,
        header=0 if header else None,
        names=None if header else [f"column {place}" for place in range(len(fields[0]))],
        skiprows=blank,
        encoding=encoding,
        na_values=list(MARKERS),
        skipinitialspace=True,
        low_memory=False,
    )


def _check_width(path: Path, fields: list[list[str]], header: bool) -> None:
    """Refuses one name too few, unless the first field of each row is its name or number, as R writes it."""
    lengths = [len(row) for row in fields[1:]]
    names = len(fields[0])
    if header and lengths and names < min(lengths):
        first = [number(row[0]) for row in fields[1:]]
        counted = all(value is not None for value in first) and len(set(first)) == len(first)
        if min(lengths) > names + 1 or not (counted or all(value is None for value in first)):
            raise DataError(f"{path}: the first line has {names} names, the others {min(lengths)} fields; name each")


def _encoding(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        head[: head.rfind(b"\n") + 1].decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _delimiter(lines: list[str]) -> str:
    """The one that cuts most lines into the same number of fields, and into most."""

    def quality(delimiter: str) -> tuple[float, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
        common = max(set(counts), key=counts.count)
        return (counts.count(common) / len(counts) if common > 1 else 0.0), common

    best = max(DELIMITERS, key=quality)
    if all(len(line.split(";")) == len(lines[0].split(";")) > 1 for line in lines):
        return ";"  # between numbers with decimal commas
    return best


def is_header(fields: list[list[str]]) -> bool:
    """Whether the first line names the columns.

    A line of numbers does where it numbers the columns, or rises and lies outside what is below it, as wavelengths do.
    """
    first, below = fields[0], [row for row in fields[1:] if len(row) == len(fields[0])]
    named = [number(name) for name in first]
    if any(name and value is None for name, value in zip(first, named, strict=True)):
        return True
    values = np.array([value for value in named if value is not None and np.isfinite(value)])
    if len(values) > 2 and any(np.array_equal(values, np.arange(len(values)) + start) for start in (0, 1)):
        return True
    if len(values) < 2 or len(below) < ROWS_BELOW or not (np.diff(values) > 0).all():
        return False
    numbers = np.array([[np.nan if (v := number(field)) is None else v for field in row] for row in below])
    low, high = _range(numbers)
    own = np.array([np.nan if value is None else value for value in named])
    return bool(np.all(~np.isfinite(own) | (own < low) | (own > high)))


def _range(numbers: NDArray) -> tuple[NDArray, NDArray]:
    kept = np.isfinite(numbers)
    return np.min(numbers, 0, where=kept, initial=np.inf), np.max(numbers, 0, where=kept, initial=-np.inf)


def number(text: str) -> float | None:
    """The number that a word is, NaN for an empty one; None for other words."""
    try:
        return float(text.replace(",", ".") or "nan")
    except ValueError:
        return None


def _pandas(name: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        import pandas as pd

        return getattr(pd, name)(path)

    return read


TABLES: dict[str, tuple[Callable[[Path], Any], str]] = {  # suffix -> reader, and the package that it needs
    ".csv": (read_text, ""),
    ".tsv": (read_text, ""),
    ".tab": (read_text, ""),
    ".txt": (read_text, ""),
    ".data": (read_text, ""),
    ".xlsx": (_pandas("read_excel"), "openpyxl"),
    ".parquet": (_pandas("read_parquet"), "pyarrow"),
    ".feather": (_pandas("read_feather"), "pyarrow"),
    ".arrow": (_pandas("read_feather"), "pyarrow"),
}
