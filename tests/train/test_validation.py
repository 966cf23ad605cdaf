"""Validation looks at the model as it will be used, and at any number of rows."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from prioria import likelihoods, objectives
from prioria.data import load
from prioria.draw import Draw
from prioria.objectives import Loss, Progress
from prioria.train import Run, fit, processes
from prioria.train.step import Step
from prioria.train.validation import validate
from tests.train.small import OPTIONS, Single, digits, elbo, replace_rows, vamp


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
        accelerator = processes.accelerator(bf16=False, device="cpu")
        found.append(validate(step, rows, 50, accelerator)["distortion"].item())
        assert step.training
    assert found[0] == found[1]


def test_a_device_without_double_precision_validates() -> None:
    class OnDevice(objectives.ELBO):
        def forward(self, draw: Draw, progress: Progress | None = None) -> Loss:
            found = super().forward(draw, progress)
            terms = {name: term.as_subclass(Single) for name, term in found.terms.items()}
            return Loss(found.value.as_subclass(Single), found.surrogate, found.per_example.as_subclass(Single), terms)

    accelerator = processes.accelerator(bf16=False, device="cpu")
    model, rows = vamp(), digits().validation
    found, expected = (
        validate(Step(model, objective), rows, 50, accelerator) for objective in (OnDevice(), objectives.ELBO())
    )
    assert found == expected


def test_a_run_that_was_stopped_before_its_first_validation_says_how_to_go_on(tmp_path: Path) -> None:
    fit(vamp(), elbo(), digits(), out=tmp_path, trackers=(), **(OPTIONS | {"epochs": 0}))
    with pytest.raises(ValueError, match="no best weights.*go on with it by prioria train --resume"):
        Run.load(tmp_path, data=digits())
