"""From a DataFrame with kinds and holes to a model that begins as a mixture."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.datasets import load_wine

from prioria import data, evaluate, load, objectives, starts


@pytest.mark.slow
def test_a_frame_with_names_and_missing_entries_is_held_and_saved(tmp_path) -> None:
    table = load_wine(as_frame=True)
    frame = table.data.iloc[:, :6].mask(np.random.default_rng(0).random((178, 6)) < 0.2)
    frame["grower"] = pd.Categorical([f"grower {each}" for each in table.target])
    found = data.load(frame)
    schema, rows = found.protocol.schema, found.train.tensor()
    assert rows.isnan().any()
    start = starts.mixture(rows.numpy(), found.validation.tensor().numpy(), schema, budget=3e8)
    model = starts.build(start, full=True)
    log_p = evaluate.log_likelihood(model, rows, num_samples=20).pointwise.numpy()
    alone = []
    for d, column in enumerate(schema.features):
        x = rows[:, d].numpy()
        if column.levels:
            shares = np.bincount(x.astype(int), minlength=len(column.levels)) / len(x)
            alone.append(np.log(shares[x.astype(int)]))
        else:
            alone.append(norm(np.nanmean(x), np.nanstd(x)).logpdf(x))
    gain = log_p - (np.nansum(alone, 0) - schema.log_volume(rows.numpy()))
    assert gain.mean() > 2 * gain.std() / len(gain) ** 0.5
    objective = objectives.Enumerated()
    loss = objective(objective.draw(model, rows))
    np.testing.assert_allclose(-loss.per_example.detach().numpy(), log_p, atol=1e-3)
    model.save(tmp_path)
    again = evaluate.log_likelihood(load(tmp_path), rows, num_samples=20).pointwise.numpy()
    np.testing.assert_array_equal(again, log_p)
