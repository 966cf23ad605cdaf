"""What "auto" becomes: chosen once, before a run begins, and written into its ``run.json``."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from prioria.train import processes, randomness
from prioria.train.options import Options
from prioria.train.order import steps_per_epoch

if TYPE_CHECKING:
    from prioria.train.loop import Training

FASTER = 2.0  # how many times as fast a bfloat16 product must be
SMALLEST_BATCH = 50  # below it casts cost what products save
WORTHWHILE = 600.0  # seconds of processor time that a run must have ahead of it to be compiled for a minute


def stored(options: Options, before: Mapping[str, Any]) -> Options:
    """Returns options with what an earlier start of the run chose where they say "auto"."""
    return replace(options, **{name: before[name] for name, value in asdict(options).items() if value == "auto"})


def with_precision(options: Options, model: nn.Module) -> Options:
    """Returns options with ``precision="auto"`` decided for a model.

    bfloat16 where a product of its widest layer and a batch is twice as fast so, and the batch has 50 rows or more. One
    process may find another answer than the next: several train in float32.
    """
    if options.precision != "auto":
        return options
    widths = [(each.flatten(1).shape[0], each.flatten(1).shape[1]) for each in _layers(model)]
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    if not widths or not alone or options.batch_size < SMALLEST_BATCH:
        return _decided(options, "precision", "float32")
    outputs, inputs = max(widths, key=lambda width: width[0] * width[1])
    gain = speed_of_bf16(options.batch_size, inputs, outputs)
    return _decided(options, "precision", "bf16" if gain >= FASTER else "float32")


def with_compilation(training: Training) -> Options:
    """Returns the options of a training with ``compile="auto"`` decided, and compiles its step where it shall be.

    Compiled steps where a C++ compiler is there and the steps ahead take more than ten minutes of processor time; plain
    ones, and a line that says why, where torch cannot compile this one. Processes that share a batch take plain ones.
    """
    if training.options.compile != "auto":
        return training.options
    if not training.alone:
        return _decided(training.options, "compile", False)
    ahead = training.total_steps() * min(_try(training), _try(training))  # the first step of a process is a slow one
    return _decided(training.options, "compile", ahead > WORTHWHILE and _compiles(training))


def _decided(options: Options, name: str, value: Any) -> Options:
    return replace(options, **{name: value})


def _compiles(training: Training) -> bool:
    plain = training.wrapped
    try:
        training.wrapped = processes.compiled(plain, training.accelerator.device)
        _try(training)
    except Exception as error:  # whatever stops the compiler, plain steps do the same
        training.wrapped = plain
        reason = f"{error}".splitlines()[0]
        training.display.say(f"compile='auto': plain steps, as they cannot be compiled here ({reason})")
        return False
    return True


def _try(training: Training) -> float:
    """Takes a step that leaves no trace, and returns its processor time."""
    step, device, examples = training.step, training.accelerator.device, len(training.data.train)
    kept = {name: value.detach().clone() for name, value in step.state_dict().items()}
    rows = torch.arange(examples // steps_per_epoch(examples, training.options.batch_size))
    step.train()
    with randomness.fork(device):
        x = training.rows.batch(rows).to(device)
        taken = seconds(lambda: training.accelerator.backward(training.wrapped(x, training.progress()).surrogate))
    step.zero_grad(set_to_none=True)
    step.load_state_dict(kept)
    return taken


@functools.cache
def speed_of_bf16(rows: int, inputs: int, outputs: int) -> float:
    """Returns how many times as fast this processor multiplies in bfloat16 as in float32; measured once a process."""
    calls = {kind: _product(rows, inputs, outputs, kind) for kind in (torch.float32, torch.bfloat16)}
    times = [{kind: seconds(call) for kind, call in calls.items()} for _ in range(4)][1:]  # the first warms up
    single, half = (min(each[kind] for each in times) for kind in calls)
    return single / max(half, 1e-9)


def seconds(call: Callable[[], object]) -> float:
    """Returns the processor time of a call, which other programs do not lengthen."""
    start = time.process_time()
    call()
    return time.process_time() - start


def _product(rows: int, inputs: int, outputs: int, kind: torch.dtype) -> Callable[[], object]:
    x, weight = torch.ones(rows, inputs, dtype=kind), torch.ones(outputs, inputs, dtype=kind)
    return lambda: nn.functional.linear(x, weight)


def _layers(model: nn.Module) -> list[nn.Parameter]:
    weights = (getattr(each, "weight", None) for each in model.modules())
    return [each for each in weights if isinstance(each, nn.Parameter) and each.ndim > 1]
