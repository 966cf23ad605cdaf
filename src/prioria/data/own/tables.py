"""Tables in files, read by pandas: text (.csv, .tsv), Excel, parquet, feather and Arrow, all to one kind of table."""

from __future__ import annotations

import importlib.util
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from prioria.data.errors import DataError
from prioria.data.own.room import check_room, check_unpacked
from prioria.data.own.text import COMMA, MARKERS, read_text

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


def _pandas(name: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        import pandas as pd

        return getattr(pd, name)(path)

    return read


def _excel(path: Path) -> Any:
    """A sheet, once its parts are no larger than they may be; what its XML may be made of is for expat to refuse."""
    import pandas as pd

    with zipfile.ZipFile(path) as parts:
        check_unpacked(path, path.stat().st_size, sum(part.file_size for part in parts.infolist()))
    try:
        return pd.read_excel(path)
    except ParseError as error:
        raise DataError(f"{path} cannot be read ({error}); save it again from a spreadsheet, or as .csv") from error


TEXT = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")


def _parquet(path: Path) -> Any:
    import pandas as pd
    from pyarrow.parquet import read_metadata

    footer = read_metadata(path)
    size = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
    check_room(path, size, "put it into a folder of its own, which is read a row group at a time")
    return pd.read_parquet(path)


TABLES: dict[str, tuple[Callable[[Path], Any], str]] = {  # suffix -> reader, and the package that it needs
    **dict.fromkeys(TEXT, (read_text, "")),
    **dict.fromkeys((f"{suffix}.gz" for suffix in TEXT), (read_text, "")),
    ".json": (_pandas("read_json"), ""),
    ".dta": (_pandas("read_stata"), ""),
    ".xlsx": (_excel, "openpyxl"),
    ".parquet": (_parquet, "pyarrow"),
    ".feather": (_pandas("read_feather"), "pyarrow"),
    ".arrow": (_pandas("read_feather"), "pyarrow"),
}
