"""Trains on every table that installed packages ship, as a stranger would, and counts what is refused, by reason.

    python tools/package_tables.py              # an epoch each: a few minutes
    python tools/package_tables.py --default    # no option at all: the preset for tables, half an hour
    python tools/package_tables.py --load       # read them alone

A refusal is one DataError or ValueError; anything else counts as a crash. Reasons are told apart by their words,
names and numbers left out.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from prioria import data
from prioria.commands.train import train

PACKAGES = ("sklearn", "statsmodels", "vega_datasets", "palmerpenguins", "skimage")
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".dta", ".xls", ".xlsx", ".dat")
JSON = "_data/*.json"  # other files of JSON hold no rows
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\S*/\S*|[-+]?\d[\d,.e+-]*")


def tables(packages: list[str]) -> Iterator[tuple[str, Path]]:
    """The files of packages that hold tables, with a short name each."""
    for package in packages:
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            print(f"{package} is not installed", file=sys.stderr)
            continue
        root = Path(found.origin).parent
        for file in sorted(root.rglob("*")):
            if file.is_file() and (file.name.lower().endswith(SUFFIXES) or file.match(JSON)):
                yield str(file.relative_to(root.parent)), file


def outcome(file: Path, how: str) -> str:
    """ "" where training went well, else what was said; a crash begins with its type."""
    if how == "load":
        data.load(file)
        return ""
    options = {} if how == "default" else {"epochs": "1"}
    with tempfile.TemporaryDirectory() as folder:
        train(str(file), out=Path(folder) / "run", **options)
    return ""


def tried(file: Path, how: str) -> tuple[str, str]:
    """ "trained", "refused" or "crashed", and what was said."""
    silent = io.StringIO()
    try:
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome(file, how)
    except ValueError as error:
        return "refused", str(error).replace(str(file), "FILE")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "crashed", f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {error}"
    return "trained", ""


def main() -> None:
    """Prints a line for each table that was not trained on, then totals by reason."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("packages", nargs="*", default=list(PACKAGES))
    options.add_argument("--default", dest="how", action="store_const", const="default", default="epoch")
    options.add_argument("--load", dest="how", action="store_const", const="load")
    options.add_argument("--only", default="", help="part of the names of the files")
    options.add_argument("--slow", type=float, default=60.0, help="seconds from which a table is named")
    given = options.parse_args()
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, file in tables(given.packages):
        if given.only not in name:
            continue
        began = time.process_time()
        what, said = tried(file, given.how)
        seconds = time.process_time() - began
        reasons[what, QUOTED.sub("_", said)].append(name)
        if said or seconds > given.slow:
            print(f"{what} ({seconds:.0f} s) {name}: {said}", flush=True)
    total = sum(map(len, reasons.values()))
    print(f"\n{total} tables")
    for (what, reason), names in sorted(reasons.items(), key=lambda each: -len(each[1])):
        print(f"{len(names):4} {what} {reason}")


if __name__ == "__main__":
    main()
