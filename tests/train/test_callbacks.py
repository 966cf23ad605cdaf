"""What callers see of a training while it goes on, and how they stop it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from prioria.train import Epoch, Run, callbacks, fit, resume
from tests.train.small import OPTIONS, assert_same_run, digits, elbo, vamp


def test_a_callback_sees_every_epoch_and_changes_nothing(tmp_path: Path) -> None:
    seen: list[Epoch] = []

    def look(epoch: Epoch) -> None:
        assert epoch.model is not None and not epoch.model.training
        epoch.model.sample(3)  # draws that the training must not feel
        torch.rand(7)
        seen.append(epoch)

    for name, called in (("watched", [look]), ("alone", [])):
        fit(vamp(), elbo(), digits(), out=tmp_path / name, trackers=(), callbacks=called, **OPTIONS)
    assert_same_run(tmp_path / "watched", tmp_path / "alone")
    lines = [line for line in Run.load(tmp_path / "alone", data=digits()).history if line["split"] == "validation"]
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4] and [epoch.validation for epoch in seen] == lines
    assert all(epoch.train["split"] == "train" and epoch.train["epoch"] == epoch.number for epoch in seen)


def test_it_sees_the_weights_that_were_validated() -> None:
    """With an average of weights the validated ones are not those that are trained."""
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    model = vamp()
    first = next(model.parameters())

    def look(epoch: Epoch) -> None:
        found.append((first.detach().clone(), torch.tensor(epoch.validation["best"])))

    run = fit(model, elbo(), digits(), callbacks=[look], **OPTIONS)
    best = [weights for weights, better in found if better][-1]
    assert torch.equal(best, next(run.model.parameters()))


def test_it_stops_training_and_the_run_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    def at_two(epoch: Epoch) -> None:
        if epoch.number == 2:
            epoch.stop()

    stopped = fit(vamp(), elbo(), digits(), out=tmp_path / "run", trackers=(), callbacks=[at_two], **OPTIONS)
    assert stopped.history[-1]["epoch"] == 2
    resume(tmp_path / "run", data=digits(), trackers=(), progress=False)
    fit(vamp(), elbo(), digits(), out=tmp_path / "whole", trackers=(), **OPTIONS)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_what_it_raises_loses_nothing(tmp_path: Path) -> None:
    def broken(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(vamp(), elbo(), digits(), out=tmp_path / "run", trackers=(), callbacks=[broken], **OPTIONS)
    seen: list[Any] = []
    resume(
        tmp_path / "run", data=digits(), trackers=(), progress=False, callbacks=[lambda each: seen.append(each.number)]
    )
    assert seen == [4]


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(ValueError, match="callbacks: 3 cannot be called"):
        callbacks.check([print, 3])


@pytest.mark.parametrize(
    ("device", "said"),
    [("gpu", "device='gpu' is no device"), ("cuda:99", "device='cuda:99' is not of this machine")],
)
def test_a_device_that_is_not_there_is_refused(device: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit(vamp(), elbo(), digits(), device=device, **OPTIONS)


def test_the_device_may_change_when_a_run_goes_on(tmp_path: Path) -> None:
    fit(vamp(), elbo("1 epoch"), digits(), out=tmp_path / "run", trackers=(), **(OPTIONS | {"epochs": 1}))
    run = resume(tmp_path / "run", epochs=2, data=digits(), device="cpu", trackers=(), progress=False)
    assert next(run.model.parameters()).device.type == "cpu"
    with pytest.raises(ValueError, match="is no device"):
        resume(tmp_path / "run", epochs=3, data=digits(), device="gpu", trackers=(), progress=False)
