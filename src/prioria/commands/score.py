"""The command that scores rows, and ranks the strange ones."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from prioria import evaluate
from prioria.commands.opened import DataFile, DataPlace, ModelPlace, Opened, Strict, has_units
from prioria.commands.parts import Cluster, Jobs, check_alone, of_each, over_parts
from prioria.commands.sample import OutFile, check_seed
from prioria.commands.score_parts import summarize
from prioria.data import Protocol, written
from prioria.data.loading import NamedRows, read_named_rows
from prioria.data.own.parts import holds_parts
from prioria.evaluate import Scores
from prioria.model import VAE

SHOWN = 3  # columns that contribute most
DECIMALS = 2
MOST = 2000  # columns, of which contributions are named


def score(
    model: ModelPlace,
    data: DataFile,
    /,
    *,
    out: OutFile | None = None,
    top: int = 0,
    contamination: float | None = None,
    quantile: float | None = None,
    moved: DataPlace = None,
    strict: Strict = False,
    num_samples: int = 1000,
    seed: int = 0,
    jobs: Jobs = 1,
    cluster: Cluster = None,
) -> None:
    """Score rows by log p(x) in nats, in the units of the data; the lower, the stranger the row.

    A table has the row's number, the identifiers of the data, log_likelihood, scored (whether there is a finite
    estimate: -inf is written where there is none), and with a threshold a flag, anomalous. With --top also rank, 1 for
    the strangest, and columns, those that contribute most: by how much log p of the column given the latents is less
    than its median over all rows. Of a folder of .parquet, .feather or .arrow parts each becomes a part of the folder
    --out; those that are there already are not scored again. Ranks and --contamination are of all parts, medians of
    columns those of a part.

    Args:
        top: print so many rows, the strangest first, with the columns that contribute most.
        contamination: share of these rows that is flagged as anomalous, as in 0.01.
        quantile: flag rows below this quantile of the validation rows of the run, as in 0.01; needs the run's data.
        num_samples: importance samples for each row.
        seed: of the random numbers.
    """
    check_seed(seed)
    for name, share in (("contamination", contamination), ("quantile", quantile)):
        if share is not None and not 0 < share < 1:
            raise ValueError(f"--{name} {share} must lie between 0 and 1, as in 0.01")
    if contamination is not None and quantile is not None:
        raise ValueError(f"--contamination {contamination} and --quantile {quantile} are two thresholds; give one")
    if top < 0:
        raise ValueError(f"--top {top} must be at least 0")
    if holds_parts(Path(data)):
        threshold = _threshold(Opened.of(model, moved), None, None, quantile, num_samples=num_samples, seed=seed)
        options = {"num_samples": num_samples, "threshold": threshold} | ({"top": top} if top else {})
        computes = of_each(Path(data), partial(score_part, strict=strict, **options))
        about = {"command": "score", **options}
        over_parts(computes, model, Path(data), out, about=about, seed=seed, jobs=jobs, cluster=cluster)
        return summarize(out, computes, top=top, contamination=contamination)
    check_alone(jobs, cluster)
    if out is not None:
        written.check_written(out)
    opened = Opened.of(model, moved)
    found = opened.rows(data, strict=strict)
    table, scores = _scored(opened, found, num_samples, seed)
    x = found.split.tensor()
    threshold = _threshold(opened, scores, contamination, quantile, num_samples=num_samples, seed=seed)
    if threshold is not None:
        _flag(table, threshold)
    if top:
        _rank(table, opened.model, opened.protocol, x, top)
    if out is not None:
        arrays = {name: table[name].to_numpy() for name in table if table[name].dtype.kind in "biuf"}
        written.write(out, lambda: table, {"log_likelihood": scores.log_likelihood} | arrays)
    _say(table, scores, threshold, top)
    if out is not None:
        print(f"Rows: {out}")
    if (note := opened.protocol.note) and opened.protocol.kind not in ("continuous", "columns"):
        print(f"Note: {note}")


def score_part(
    opened: Opened,
    rows: pd.DataFrame,
    seed: int,
    *,
    num_samples: int,
    threshold: float | None,
    strict: bool = False,
    top: int = 0,
) -> pd.DataFrame:
    """Returns what ``score`` writes of one part; columns that contribute most are said of its strangest rows."""
    found = read_named_rows(rows, opened.protocol, strict=strict, missing=not strict)
    table, _ = _scored(opened, found, num_samples, seed)
    if threshold is not None:
        _flag(table, threshold)
    if top:
        _rank(table, opened.model, opened.protocol, found.split.tensor(), top)
        table = table.drop(columns="rank")  # that of all parts is not known here
    return table


def _scored(opened: Opened, found: NamedRows, num_samples: int, seed: int) -> tuple[pd.DataFrame, Scores]:
    scores = _scores(opened, found.split.tensor(), num_samples, seed)
    scored = scores.log_likelihood.isfinite().numpy()
    return found.names.assign(log_likelihood=scores.log_likelihood.numpy(), scored=scored), scores


def _flag(table: pd.DataFrame, threshold: float) -> None:
    table["anomalous"] = (table["log_likelihood"] < threshold) | ~table["scored"]


def _scores(opened: Opened, x: Tensor, num_samples: int, seed: int) -> Scores:
    """Returns scores in the units of the data: those of the likelihood, where it knows them, or made so here."""
    volume = None if has_units(opened.model) else opened.protocol.log_volume(x)
    return evaluate.scores(opened.model, x, num_samples=num_samples, seed=seed, log_volume=volume)


def _threshold(
    opened: Opened,
    scores: Scores | None,
    contamination: float | None,
    quantile: float | None,
    *,
    num_samples: int,
    seed: int,
) -> float | None:
    """Returns below what a row is anomalous."""
    if contamination is not None and scores is not None:
        return _quantile(scores, contamination)
    if quantile is None:
        return None
    if opened.run is None:
        raise ValueError(f"--quantile {quantile} is of validation rows, and a model alone has none; name its run")
    held_out = _scores(opened, opened.run.data.validation.tensor(), num_samples, seed)
    return _quantile(held_out, quantile)


def _quantile(scores: Scores, share: float) -> float:
    """Returns the score below which there is this share of rows, rounded down to whole rows."""
    ordered = scores.log_likelihood.sort().values
    return ordered[int(share * len(ordered))].item()


def _rank(table: pd.DataFrame, model: VAE, protocol: Protocol, x: Tensor, top: int) -> None:
    """Adds ranks, and for the strangest rows the columns that contribute most."""
    order = np.argsort(table["log_likelihood"].to_numpy(), kind="stable")
    table.loc[order, "rank"] = np.arange(1, len(order) + 1)
    table["rank"] = table["rank"].astype(int)
    found = evaluate.column_log_likelihoods(model, x) if x.shape[1] <= MOST else None
    if found is None:
        return
    features = [f"x{number}" for number in range(x.shape[1])]
    if protocol.schema is not None and len(protocol.schema.features) == x.shape[1]:
        features = [column.name for column in protocol.schema.features]
    less = found.nanmedian(0).values - found
    less = less.masked_fill(x.isfinite().all(1, keepdim=True) & less.isnan(), torch.inf)  # too large for a number
    lost = x.isinf() | (
        x.isnan() & ~torch.from_numpy(table["scored"].to_numpy(copy=True))[:, None]
    )  # others are just missing
    less = less.masked_fill(x.isnan(), 0.0).masked_fill(lost, torch.inf).nan_to_num(nan=0.0, posinf=torch.inf).numpy()
    said = pd.Series("", index=table.index)
    for row in order[:top]:
        worst = np.argsort(-less[row], kind="stable")[:SHOWN]
        said[row] = ", ".join(f"{features[d]} ({_amount(less[row, d].item())})" for d in worst if less[row, d] > 0)
    table["columns"] = said


def _amount(less: float) -> str:
    return "no number" if np.isinf(less) else f"{less:.1f}" if less < 1e6 else f"{less:.1e}"


def _say(table: pd.DataFrame, scores: Scores, threshold: float | None, top: int) -> None:
    if top:
        first = table.sort_values("rank").head(top)
        shown = first.drop(columns=["scored", *(["anomalous"] if "anomalous" in first else [])])
        print(shown.to_string(index=False, float_format=lambda value: f"{value:.{DECIMALS}f}"))
    if scores.lost:
        first = ", ".join(map(str, scores.lost[:SHOWN])) + (", ..." if len(scores.lost) > SHOWN else "")
        warnings.warn(
            f"{len(scores.lost)} of {len(table)} rows have no finite estimate and are -inf: row {first} (numbers from "
            "0); look for missing or huge values there",
            stacklevel=2,
        )
    if scores.estimate is not None:
        print(f"log-likelihood {scores.estimate}; the lower, the stranger the row")
    if threshold is not None:
        print(f"{np.count_nonzero(table['anomalous'])} rows lie below {threshold:.{DECIMALS}f} nats and are flagged")
