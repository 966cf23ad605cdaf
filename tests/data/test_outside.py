"""Rows of which a model has no probability: they are flagged, and stop no other."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import prioria
from prioria.data import DataError, load
from prioria.data.loading import read_named_rows
from prioria.train import fit
from tests.commands.test_commands import call

RNG = np.random.default_rng(5)
BITS = RNG.integers(0, 2, (60, 6))
COUNTS = RNG.poisson(3, (60, 6)) + 1
LEVELS = RNG.integers(0, 256, (60, 16)).astype(np.float64)
LEVELS[0, 0] = 255

CASES = {  # rows of training, options, and what has no probability
    "bits": (BITS, {}, {}, [7.0, -1.0, 0.5]),
    "counts": (COUNTS, {}, {}, [2.5, -1.0]),
    "categories": (COUNTS, {}, {"likelihood": {"kind": "categorical", "categories": 20}}, [20.0, 0.5, -1.0]),
    "levels": (LEVELS, {}, {"likelihood": "discretized-logistic"}, [256.0, -3.0]),
    "drawn": (LEVELS, {"binarize": "dynamic"}, {}, [256.0, -3.0]),
    "numbers": (RNG.normal(size=(60, 4)), {}, {}, [1e300, -np.inf]),
}


@pytest.fixture(scope="module", params=CASES)
def trained(request, tmp_path_factory):
    rows, options, parts, bad = CASES[request.param]
    data = load(rows, **options)
    model = prioria.build.model(data, latents=2, seed=0, **parts)
    folder = tmp_path_factory.mktemp(request.param) / "run"
    run = fit(model, prioria.build.objective(model), data, epochs=1, out=folder, progress=False)
    return rows, run, bad


def test_a_row_without_a_probability_is_flagged_alone(trained, tmp_path: Path):
    rows, run, bad = trained
    given = rows[:30].astype(np.float64)
    for place, value in enumerate(bad):
        given[3 + 2 * place, 1] = value
    lost = [3 + 2 * place for place in range(len(bad))]
    np.save(tmp_path / "rows.npy", given)
    np.save(tmp_path / "clean.npy", rows[:30].astype(np.float64))
    options = ["--num-samples", 5, "--top", 3, "--contamination", 0.1]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        call("score", run.path, tmp_path / "rows.npy", *options, "--out", tmp_path / "s.csv")
    assert any(f"{len(bad)} of 30 rows have no finite estimate" in str(each.message) for each in said)
    call("score", run.path, tmp_path / "clean.npy", "--num-samples", 5, "--out", tmp_path / "c.csv")
    found, clean = pd.read_csv(tmp_path / "s.csv"), pd.read_csv(tmp_path / "c.csv")
    assert found.index[~found["scored"]].tolist() == lost and np.isneginf(found["log_likelihood"][lost]).all()
    assert found["anomalous"][lost].all()
    others = found.index.difference(lost)
    if run.data.protocol.binarization != "dynamic":  # whose bits are drawn
        np.testing.assert_allclose(found["log_likelihood"][others], clean["log_likelihood"][others], rtol=1e-5)


def test_a_file_in_another_scale_is_still_refused():
    protocol = load(BITS).protocol
    with pytest.raises(DataError, match="the model was trained on binary values"):
        read_named_rows(BITS * 7.0, protocol, missing=True)
    with pytest.warns(UserWarning, match=r"no probability for: 1, the first row 2 \(from 0\) with 7"):
        read_named_rows(np.where(np.arange(360).reshape(60, 6) == 13, 7, BITS), protocol, missing=True)
    with pytest.raises(DataError):
        read_named_rows(np.where(np.arange(360).reshape(60, 6) == 13, 7, BITS), protocol)
