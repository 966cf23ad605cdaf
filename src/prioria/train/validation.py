"""The objective on the validation data, at the end of its schedules, under random numbers of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from prioria.data import Split
from prioria.train import randomness
from prioria.train.order import steps_per_epoch
from prioria.train.step import Step

if TYPE_CHECKING:
    from accelerate import Accelerator

SEED = 0


@torch.no_grad()
def validate(step: Step, split: Split, batch_size: int, accelerator: Accelerator) -> dict[str, Tensor]:
    """Returns means over the examples: ``loss``, ``selection`` (without terms that couple a batch), and every term.

    Blocks have at most ``batch_size`` rows and differ by at most one: what compares the rows of a batch has others to
    compare with. Each has noise of its own seed and is scored by one process, so that the result does not depend on how
    many there are.
    """
    blocks = torch.arange(len(split)).tensor_split(steps_per_epoch(len(split), batch_size))
    mine = range(accelerator.process_index, len(blocks), accelerator.num_processes)
    step.eval()
    with randomness.fork(accelerator.device):
        sums = {number: _block(step, split, blocks[number], number, accelerator) for number in mine or [0]}
    step.train()
    names = list(next(iter(sums.values())))
    table = torch.zeros(len(blocks), len(names), dtype=torch.float64)
    for number in mine:
        table[number] = torch.stack(list(sums[number].values()))
    total = table.sum(0) if accelerator.num_processes == 1 else _gathered(table, accelerator).sum(0)
    return dict(zip(names, total / len(split), strict=True))


def _block(step: Step, split: Split, rows: Tensor, number: int, accelerator: Accelerator) -> dict[str, Tensor]:
    randomness.seed_all(SEED, number)
    loss = step(split.batch(rows).to(accelerator.device))
    # in double precision on the CPU alone: Apple's GPUs have none
    sums = {"loss": loss.value * len(rows), "selection": loss.per_example.cpu().double().sum()}
    sums |= {name: term.cpu().double().sum() for name, term in loss.terms.items()}
    return {name: value.cpu().double() for name, value in sums.items()}


def _gathered(table: Tensor, accelerator: Accelerator) -> Tensor:
    # rows of other processes are zero here, so that their sum is each block's one value, exactly
    reduced = accelerator.reduce(table.to(accelerator.device), "sum")
    assert isinstance(reduced, Tensor)
    return reduced.cpu()
