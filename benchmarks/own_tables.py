"""Tables that installed packages ship: the best Gaussian mixture, the start, and what training kept.

``python -m benchmarks.own_tables iris wine`` prints a line for each, test nats per row in the units of the data; every
column on a grid is spread over its cells, by the same noise for all three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import sklearn.datasets
import torch

from prioria import data, evaluate, presets, starts
from prioria.starts.choice import best_gaussians


def _statsmodels(name: str) -> Callable[[], pd.DataFrame]:
    def read() -> pd.DataFrame:
        import statsmodels.api as sm

        return getattr(sm.datasets, name).load_pandas().data

    return read


TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "cancer": lambda: sklearn.datasets.load_breast_cancer(as_frame=True).data,
    "wine": lambda: sklearn.datasets.load_wine(as_frame=True).data,
    "diabetes": lambda: sklearn.datasets.load_diabetes(as_frame=True, scaled=False).data,
    "iris": lambda: sklearn.datasets.load_iris(as_frame=True).data,
    "anes96": _statsmodels("anes96"),
    "fair": _statsmodels("fair"),
    "randhie": _statsmodels("randhie"),
}


def line(name: str) -> str:
    """Trains on one table and returns its line."""
    dataset, began = data.load(TABLES[name]()), time.process_time()
    schema = dataset.protocol.schema
    assert schema is not None
    found = presets.train(dataset)
    seconds = time.process_time() - began
    parts = [dataset.train, dataset.validation, dataset.test]
    train, held, test = (starts.dequantize(part.tensor().numpy(), schema, seed=seed) for seed, part in enumerate(parts))
    ours = evaluate.log_likelihood(found.run.model, torch.from_numpy(test).float(), num_samples=500)
    if any(column.levels for column in schema.features) or np.isnan(train).any():
        return f"{name:<9} kept {ours.value:8.2f}  {found}  {seconds:.0f} s  (names or holes: no Gaussian mixture)"
    mixture = best_gaussians(train, held)
    base = mixture.score_samples(test) - schema.log_volume(test)  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    gain = ours.pointwise.numpy() - base
    error = gain.std() / len(gain) ** 0.5
    return (
        f"{name:<9} base {base.mean():8.2f}  kept {ours.value:8.2f}  kept - base {gain.mean():+.2f} ± {error:.2f}  "
        f"{seconds:.0f} s  {found}"
    )


if __name__ == "__main__":
    for table in sys.argv[1:] or TABLES:
        print(line(table), flush=True)
