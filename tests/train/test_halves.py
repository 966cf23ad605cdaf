"""Weights kept in bfloat16 beside those in float32 give what autocast gives, bit for bit, and nobody else sees them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from prioria import VAE
from prioria.train import fit, processes, resume
from prioria.train.halves import Halves
from prioria.train.options import Options
from prioria.train.step import Step
from tests.train.small import OPTIONS, assert_same_run, digits, elbo, exact, images, vamp
from tests.train.test_resume import at_call, killed

BF16 = OPTIONS | {"precision": "bf16", "epochs": 2}


def frozen() -> VAE:
    model = vamp()
    model.encoder.requires_grad_(False)
    return model


@pytest.mark.parametrize("build", [vamp, images, frozen])  # an encoder used twice, convolutions, and weights at rest
@pytest.mark.parametrize("more", [{}, {"gradient_clip": 0.5}, {"optimizer": "adam-normalized"}])
def test_a_run_is_that_of_autocast_bit_for_bit(
    build: Callable[[], VAE], more: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses, plain = [], Halves.step
    monkeypatch.setattr(Halves, "step", lambda self: uses.append(len(self.halves)) or plain(self))
    fit(build(), elbo(), digits(), out=tmp_path / "halves", trackers=(), **(BF16 | more))
    assert len(uses) == 10 and min(uses) >= 6
    monkeypatch.setattr(Halves, "_put", lambda *_: None)
    fit(build(), elbo(), digits(), out=tmp_path / "autocast", trackers=(), **(BF16 | more))
    assert_same_run(tmp_path / "halves", tmp_path / "autocast")


def test_a_run_in_bf16_that_was_killed_ends_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(name: str) -> None:
        fit(vamp(), elbo(), digits(), out=tmp_path / name, trackers=(), checkpoint_every="2 steps", **BF16)

    train("whole")
    with monkeypatch.context() as patch:
        patch.setattr(Step, "forward", at_call(4, Step.forward))
        assert killed(lambda: train("killed")) == -signal.SIGKILL
    resume(tmp_path / "killed", data=digits(), trackers=(), progress=False)
    assert_same_run(tmp_path / "killed", tmp_path / "whole")


def test_a_weight_that_is_read_elsewhere_is_float32_and_has_both_gradients() -> None:
    layer, x = nn.Linear(3, 2), torch.randn(5, 3)
    accelerator = processes.accelerator(bf16=True, device="cpu")
    halves = Halves(layer, Options(epochs=1, precision="bf16"), accelerator)

    def gradient() -> torch.Tensor | None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = layer(x).float().sum() + layer.weight.square().sum()
        loss.backward()
        found, layer.weight.grad = layer.weight.grad, None
        return found

    expected = gradient()
    layer.bias.grad = None
    with halves.in_use():
        seen = {name: each.dtype for name, each in layer.named_parameters()}
        with halves.step():
            with torch.autocast("cpu", torch.bfloat16):
                (layer(x).float().sum() + layer.weight.square().sum()).backward()
            assert {name: each.dtype for name, each in layer.named_parameters()} == seen
    assert torch.equal(layer.weight.grad, expected) and layer.bias.grad.dtype == torch.float32
    assert not layer._forward_hooks and not layer._forward_pre_hooks


def test_a_prior_that_reads_the_decoder_trains_in_bf16() -> None:
    model, decoder, rows = exact()
    before = decoder.weight.detach().clone()
    fit(model, elbo(), rows, **BF16)
    assert decoder.weight.dtype == torch.float32 and not torch.equal(decoder.weight, before)
