"""Sheets of a spreadsheet: the one that holds a table, and where in it the table begins."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from prioria.data.errors import DataError
from prioria.data.own.room import check_unpacked
from prioria.data.own.text import is_header, named

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 30  # rows among which the header is
FEWEST = 10  # rows of a table


def read_excel(path: Path) -> pd.DataFrame:
    """The table of a workbook: of the first sheet that holds one, below titles and beside empty columns.

    Its parts are looked at first, that they are no larger than they may be; what its XML may be made of is for expat to
    refuse.
    """
    import pandas as pd

    with zipfile.ZipFile(path) as parts:
        check_unpacked(path, path.stat().st_size, sum(part.file_size for part in parts.infolist()))
    try:
        sheets = pd.read_excel(path, sheet_name=None, header=None)
    except ParseError as error:
        raise DataError(f"{path} cannot be read ({error}); save it again from a spreadsheet, or as .csv") from error
    filled = {str(name): sheet.dropna(how="all") for name, sheet in sheets.items()}
    filled = {name: sheet.dropna(how="all", axis=1) for name, sheet in filled.items() if len(sheet)}
    if not filled:
        raise DataError(f"{path} is empty")
    name = _with_table(filled)
    if others := [other for other in filled if other != name]:
        warnings.warn(f"{path}: sheet {name!r} is read, and left out: {', '.join(others)}", stacklevel=2)
    return _table(path, filled[name])


def _with_table(sheets: Mapping[str, pd.DataFrame]) -> str:
    """The first sheet with columns of enough rows, else the one with most cells."""
    for name, sheet in sheets.items():
        if (sheet.notna().sum() >= FEWEST).sum() > 1:
            return name
    return max(sheets, key=lambda name: int(sheets[name].notna().sum().sum()))


def _table(path: Path, sheet: Any) -> Any:
    """The rows below the first line that fills all columns, or all but that of an index: titles fill a cell or two."""
    head = sheet.head(LOOKED_AT)
    filled = head.notna().to_numpy()
    begin = int((filled.sum(1) == filled.sum(1).max()).argmax())
    if begin and filled.shape[1] > 1 and filled[begin - 1, 1:].all():
        begin -= 1
    lines = [[_text(cell) for cell in row] for row in head.iloc[begin:].itertuples(index=False)]
    if len(lines) > 1 and not is_header(lines):
        names, body = [f"column {number}" for number in range(sheet.shape[1])], sheet.iloc[begin:]
    else:
        names, body = named(lines[0], sheet.shape[1]), sheet.iloc[begin + 1 :]
    if begin:
        warnings.warn(f"{path}: lines before the table, left out: {begin}", stacklevel=2)
    found = body.reset_index(drop=True).infer_objects()
    return found.set_axis(names, axis=1)


def _text(cell: Any) -> str:
    import pandas as pd

    return "" if pd.isna(cell) else str(cell).strip()
