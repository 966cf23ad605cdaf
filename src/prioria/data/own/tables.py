"""Tables in files, read by pandas: text (.csv, .tsv), Excel, parquet, feather and Arrow, all to one kind of table."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prioria.data.errors import DataError
from prioria.data.own.arrow import read_arrow
from prioria.data.own.room import check_room
from prioria.data.own.sheets import read_excel
from prioria.data.own.text import MARKERS, read_text
from prioria.data.own.written_numbers import plain_numbers

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path) -> pd.DataFrame:
    """The table of a file, its columns named by text, decimal commas read, and missing values as NaN.

    Raises:
        DataError: a package of the extra 'data' is missing, or there are no rows or columns.
    """
    read, package = TABLES[suffix_of(path)]
    if package and importlib.util.find_spec(package) is None:
        raise DataError(f"{path} needs {package}: pip install 'prioria[data]', or save it as .csv")
    return prepared(read(path), str(path))


def suffix_of(path: Path) -> str:
    """The suffix of a file, in small letters; of one that is packed both, as in .csv.gz."""
    suffix = path.suffix.lower()
    return path.with_suffix("").suffix.lower() + suffix if suffix == ".gz" else suffix


def prepared(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The same table under one rule, whatever it came from.

    An index that says something becomes a column, names become text without blanks around, and text of numbers
    becomes numbers.
    """
    import pandas as pd

    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(names=[each or f"index {i}" for i, each in enumerate(frame.index.names)])
    names = [" ".join(map(str, each)).strip() if isinstance(each, tuple) else str(each).strip() for each in frame]
    if twice := next((each for each, count in Counter(names).items() if count > 1), None):
        raise DataError(f"{name}: column {twice!r} comes twice; rename one")
    if not len(frame) or not names:
        raise DataError(f"{name} has a header but no rows" if names else f"{name} is empty")
    columns: Any = {each: _parsed(frame.iloc[:, place]) for place, each in enumerate(names)}
    return pd.DataFrame(columns)


def _parsed(values: pd.Series) -> pd.Series:
    """Text of which every word is a number as numbers; blanks around words go, and spans of time are seconds."""
    import pandas as pd

    if pd.api.types.is_timedelta64_dtype(values):
        return values.dt.total_seconds()
    if values.dtype == object and isinstance(first := next(iter(values.dropna()), None), Decimal | bytes):
        values = values.map(str if isinstance(first, Decimal) else _decoded, na_action="ignore")
    if not pd.api.types.is_string_dtype(values) or isinstance(values.dtype, pd.CategoricalDtype):
        return values
    text: Any = values.str.strip() if values.notna().any() else values
    text = text.where(~text.isin(["", *MARKERS]))
    known = text.dropna()
    if len(known) and isinstance(known.iloc[0], str):
        if (written := plain_numbers(known)) is not None:
            read: Any = pd.to_numeric(written.reindex(text.index), errors="coerce")
            return read
        if not known.str.fullmatch(r"0\d+").any():  # codes such as 0123 are names
            numbers: Any = pd.to_numeric(text, errors="coerce")
            return numbers if len(numbers.dropna()) == len(known) else text
    return text


def _decoded(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _pandas(name: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        import pandas as pd

        return getattr(pd, name)(path)

    return read


def _json(path: Path) -> Any:
    """Records, one JSON value or one a line, or what pandas writes of a table."""
    import pandas as pd

    if path.suffix.lower() in LINES:
        return pd.read_json(path, lines=True)
    found, errors = None, []
    ways = (pd.read_json, partial(pd.read_json, orient="split"), partial(pd.read_json, lines=True))
    for read in ways:
        try:
            found = read(path)
            break
        except (ValueError, KeyError, TypeError) as error:
            errors.append(error)
    if found is None:
        raise errors[0]
    nested = found.shape[1] == 1 and found.iloc[:, 0].map(type).eq(dict).all()
    return pd.json_normalize(found.iloc[:, 0].tolist()) if nested else found


FIRST_FEATHER = b"FEA1"  # a file of the format before Arrow's
LINES = (".jsonl", ".ndjson")
TEXT = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")


def _parquet(path: Path) -> Any:
    import pandas as pd
    from pyarrow.parquet import read_metadata

    footer = read_metadata(path)
    size = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
    check_room(path, size, "put it into a folder of its own, which is read a row group at a time")
    return pd.read_parquet(path)


def _arrow(path: Path) -> Any:
    import pandas as pd

    check_room(path, path.stat().st_size, "put it into a folder of its own, which is read piece by piece")
    with path.open("rb") as stream:
        first = stream.read(len(FIRST_FEATHER))
    return pd.read_feather(path) if first == FIRST_FEATHER else read_arrow(path)


TABLES: dict[str, tuple[Callable[[Path], Any], str]] = {  # suffix -> reader, and the package that it needs
    **dict.fromkeys(TEXT, (read_text, "")),
    **dict.fromkeys((f"{suffix}.gz" for suffix in TEXT), (read_text, "")),
    **dict.fromkeys((".json", *LINES), (_json, "")),
    ".dta": (_pandas("read_stata"), ""),
    ".xlsx": (read_excel, "openpyxl"),
    ".parquet": (_parquet, "pyarrow"),
    **dict.fromkeys((".feather", ".arrow"), (_arrow, "pyarrow")),
}
