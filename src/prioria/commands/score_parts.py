"""Scores of a folder of parts as a whole: the strangest rows of all, and a threshold that all rows say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from prioria.data import written

DECIMALS = 2


def summarize(out: Path | None, names: Iterable[str], *, top: int, contamination: float | None) -> None:
    """Prints the strangest rows of all parts, and flags a share of all rows; one part is in memory at a time.

    Args:
        out: folder of the scores, a file for each part; nothing is done without.
        names: of the parts that were scored.
        top: how many rows are printed.
        contamination: share of all rows that is flagged; None for none. It takes 8 bytes for each row.
    """
    if out is None:
        return
    parts = [Path(name).with_suffix(".parquet").as_posix() for name in names]
    if top:
        print(_strangest(out, parts, top).to_string(index=False, float_format=lambda value: f"{value:.{DECIMALS}f}"))
    if contamination is None:
        return
    scores = np.sort(np.concatenate([_read(out / part, ["log_likelihood"])["log_likelihood"] for part in parts]))
    threshold, flagged = scores[int(contamination * len(scores))], 0
    for part in parts:
        table = _read(out / part)
        table["anomalous"] = (table["log_likelihood"] < threshold) | ~table["scored"]
        flagged += int(table["anomalous"].to_numpy().sum())
        written.write(out / part, lambda table=table: table, {})
    print(f"{flagged} rows of all parts lie below {threshold:.{DECIMALS}f} nats and are flagged")


def _strangest(out: Path, parts: Sequence[str], top: int) -> pd.DataFrame:
    """The rows of all parts with the least log-likelihood, the strangest first; each part brings as many at most."""
    found = pd.DataFrame()
    for part in parts:
        table = _read(out / part).nsmallest(top, "log_likelihood")
        table.insert(0, "part", Path(part).with_suffix("").as_posix())
        found = pd.concat([found, table]).nsmallest(top, "log_likelihood")
    found.insert(len(found.columns), "rank", np.arange(1, len(found) + 1))
    return found.drop(columns=["scored", "anomalous"], errors="ignore")


def _read(file: Path, columns: list[str] | None = None) -> pd.DataFrame:
    return pd.read_parquet(file, columns=columns, partitioning=None)
