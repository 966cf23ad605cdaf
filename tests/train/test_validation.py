"""Validation looks at the model as it will be used, and at any number of rows."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from torch import nn

from prioria import likelihoods, objectives
from prioria.data import load
from prioria.train import fit, processes
from prioria.train.step import Step
from prioria.train.validation import validate
from tests.train.small import digits, replace_rows, vamp


@pytest.mark.parametrize(
    ("objective", "rows"),
    [(objectives.InfoVAE(unbiased=True), 240), (objectives.BetaTC(tc=objectives.Stratified()), 40)],
)
def test_what_compares_the_rows_of_a_batch_validates_on_any_number(objective, rows: int) -> None:
    """Ninety-one validation rows at batches of 90 would leave one alone; 40 training rows are fewer than a batch."""
    data = replace(digits(rows), validation=replace_rows(load("digits").train, 91))
    run = fit(vamp(), objective, data, epochs=1, batch_size=90, progress=False, trackers=())
    assert run.best is not None and math.isfinite(run.best["loss"])


def test_validation_is_in_evaluation_mode() -> None:
    model, rows, kept = vamp(), digits().validation, nn.Linear(2, 64)
    found = []
    for net in (nn.Sequential(nn.Dropout(0.9), kept), nn.Sequential(kept)):
        model.likelihood = likelihoods.Bernoulli(net)
        step = Step(model, objectives.ELBO()).train()
        accelerator = processes.accelerator(None, bf16=False, trackers=(), cpu=True)
        found.append(validate(step, rows, 50, accelerator)["distortion"].item())
        assert step.training
    assert found[0] == found[1]
