"""Networks on top of a start are kept where they help, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prioria import evaluate, starts
from prioria.data import Dataset, Protocol, Split
from prioria.improvement import improve
from prioria.likelihoods import Heads
from prioria.starts.factors import Settings, fit
from prioria.starts.table import Reader, TableStart

SCHEMA = {"columns": [{"name": name, "kind": "real"} for name in "ab"]}


def banana(count: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    a = generator.normal(size=count)
    return np.c_[a, a**2 - 1 + 0.2 * generator.normal(size=count)]


def dataset() -> Dataset:
    protocol = Protocol("banana", "banana", (2,), "continuous", "none", ("Columns",), "", "made here")
    return Dataset(protocol, *(Split(torch.tensor(banana(300, s)).float(), None, protocol) for s in range(3)))


def one_factor() -> TableStart:
    """A single Gaussian, which a bent cloud is not."""
    rows, families = banana(300, 0), {"a": "gaussian", "b": "gaussian"}
    reader = Reader(Heads(SCHEMA, families), rows)
    mixture = fit(reader(rows), Settings(1, 1), reader.floor, np.zeros(300, int))
    held = mixture.log_prob(reader(banana(300, 1)))
    held = mixture.log_prob(reader(banana(300, 1)))
    return TableStart(SCHEMA, mixture, reader.center, reader.scale, families, {}, held, held.mean())


@pytest.mark.slow
def test_networks_that_help_are_kept_and_help_on_other_rows_too() -> None:
    torch.manual_seed(0)
    model, data = starts.build(one_factor(), hidden=16), dataset()
    before = evaluate.log_likelihood(model, data.test, num_samples=50).pointwise
    found = improve(model, data, steps=300)
    assert found.kept and str(found).startswith("networks improve")
    gained = evaluate.log_likelihood(model, data.test, num_samples=50).pointwise - before
    assert gained.mean() > 3 * gained.std() / 300**0.5


def test_networks_that_do_not_help_leave_the_start_as_it_was() -> None:
    torch.manual_seed(0)
    model, data = starts.build(one_factor(), hidden=16), dataset()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    found = improve(model, data, steps=3, learning_rate=1e-12)
    assert not found.kept and "did not improve on the mixture" in str(found)
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())


def test_a_network_that_saw_no_holes_leaves_their_posterior_alone() -> None:
    torch.manual_seed(0)
    start, x = one_factor(), torch.tensor(banana(6, 3)).float()
    model, plain = starts.build(start, hidden=8, full=True, holes=False), starts.build(start, hidden=8, full=True)
    with torch.no_grad():
        for weights in model.encoder["x"].net.parameters():
            weights.add_(torch.randn_like(weights))
    holes = x.clone()
    holes[:, 1] = torch.nan
    before, after = (each.condition(holes).features for each in (plain, model))
    assert all(torch.equal(before[group], after[group]) for group in ("c", "z"))
    before, after = (each.condition(x).features for each in (plain, model))
    assert not torch.allclose(before["z"], after["z"])


def test_networks_are_trained_and_judged_on_rows_with_entries_hidden() -> None:
    model, data, seen = starts.build(one_factor(), hidden=8, full=True), dataset(), []
    model.encoder["x"].inputs.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].isnan()))
    improve(model, data, steps=10, mask_rate=0.25)
    seen = [rows for rows in seen if len(rows) >= 50]  # without those that say whether the objective fits
    hidden = torch.cat(seen).double().mean().item()
    assert seen and all(rows.any() for rows in seen)
    # the same 300 validation rows come again and again: their mean share has a deviation below .5 / sqrt(300)
    assert abs(hidden - 0.25) < 4 * 0.5 / 300**0.5
