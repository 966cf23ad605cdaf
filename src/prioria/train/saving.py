"""What of a training is saved in a checkpoint, and how it is taken back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from prioria import storage
from prioria.module import describe
from prioria.train import checkpoint, randomness
from prioria.train.run import BEST

if TYPE_CHECKING:
    from accelerate import Accelerator

    from prioria.train.loop import Training
    from prioria.train.step import Step


def save(training: Training, folder: Path) -> None:
    """Writes a checkpoint, then the best weights as a model of their own; under several processes the first writes."""
    parts = {
        "step": dict(training.step.state_dict()),
        "optimizer": training.optimizer.tensors(),
        "average": {} if training.average is None else training.average.averages,
        "meter": training.meter.sums,
        "best": training.best,
        "random": _generators(training.accelerator),
    }
    if training.accelerator.is_main_process:
        checkpoint.write(folder, parts, asdict(training.state))
        _export_best(training, folder / BEST)
    training.accelerator.wait_for_everyone()


def load(training: Training, folder: Path) -> None:
    """Takes back the last checkpoint; lines that were logged after it are cut off."""
    if training.accelerator.is_main_process:
        checkpoint.sweep(folder)
    parts, state = checkpoint.read(folder)
    device = training.accelerator.device
    training.state = type(training.state)(**state)
    _lay_out(training.step, parts["step"])
    training.step.load_state_dict(parts["step"])
    training.optimizer.load(parts.get("optimizer", {}))
    if training.average is not None:
        training.average.load(parts["average"])
    training.meter.sums = _on(device, parts.get("meter", {}))
    training.meter.count = training.state.measured
    training.best = _on(device, parts.get("best", {}))
    training.metrics.load(folder, training.state.lines)
    training.saved_step = training.state.step
    _restore_generators(training, parts["random"])


def _lay_out(step: Step, tensors: dict[str, Tensor]) -> None:
    """Gives parameters and buffers the strides that they were saved with, which are those of Adam's moments."""
    for name, own in step.state_dict(keep_vars=True).items():
        if name in tensors and own.stride() != tensors[name].stride():
            own.data = torch.empty_like(tensors[name], device=own.device)


def _generators(accelerator: Accelerator) -> dict[str, Tensor]:
    states = randomness.capture(accelerator.device)
    if accelerator.num_processes == 1:
        return {name: state[None] for name, state in states.items()}
    return {name: _gathered(state, accelerator) for name, state in states.items()}


def _gathered(state: Tensor, accelerator: Accelerator) -> Tensor:
    gathered = accelerator.gather(state[None].to(accelerator.device))
    assert isinstance(gathered, Tensor)
    return gathered.cpu()


def _restore_generators(training: Training, states: dict[str, Tensor]) -> None:
    accelerator, rank = training.accelerator, training.accelerator.process_index
    same_kind = states.keys() == randomness.capture(accelerator.device).keys()
    if same_kind and len(states["torch"]) == accelerator.num_processes:
        randomness.restore({name: each[rank] for name, each in states.items()}, accelerator.device)
    else:  # on other devices the noise is another, but still a function of the seed
        randomness.seed_all(training.options.seed, rank, training.state.step)


def _export_best(training: Training, folder: Path) -> None:
    if training.best:
        architecture = {"format": storage.FORMAT, "architecture": describe(training.step.model)}
        storage.write_json(folder / storage.ARCHITECTURE, architecture)
        storage.write_tensors(folder / storage.WEIGHTS, training.best)


def _on(device: torch.device, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}
