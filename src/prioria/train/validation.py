"""The objective on the validation data, at the end of its schedules, under random numbers of its own."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from prioria import storage
from prioria.data import Split, carried
from prioria.model import VAE
from prioria.train import randomness
from prioria.train.order import steps_per_epoch
from prioria.train.step import Step

if TYPE_CHECKING:
    from accelerate import Accelerator

SEED = 0


class Best:
    """The weights of the best validation so far.

    Args:
        model: whose weights they are.
    """

    def __init__(self, model: VAE) -> None:
        self.model = model
        self.rank: list[float] | None = None
        self.weights: dict[str, Tensor] = {}

    def offer(self, rank: list[float]) -> bool:
        """Keeps the model's weights, and says so, if their rank is finite and less than that of all before.

        Args:
            rank: by how much they miss what is demanded, then their loss.
        """
        better = isfinite(sum(rank)) and (self.rank is None or rank < self.rank)
        if better:
            self.rank = rank
            self.weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        return better

    def restore(self) -> None:
        """Gives the model its best weights, if there are any."""
        if self.weights:
            self.model.load_state_dict(self.weights)

    def export(self, folder: Path) -> None:
        """Writes the model with its best weights into a folder, if there are any."""
        if self.weights:
            storage.write_model(folder, self.model, self.weights)
            if self.model.protocol is not None:
                carried.write(self.model.protocol, folder)

    def state_dict(self) -> dict[str, Tensor]:
        """Returns rank and weights; nothing before the first validation."""
        if self.rank is None:
            return {}
        named = {f"weights.{name}": value for name, value in self.weights.items()}
        return {"rank": torch.tensor(self.rank, dtype=torch.float64)} | named

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Takes back what :meth:`state_dict` returned."""
        kept = self.model.state_dict()
        named = {name.removeprefix("weights."): value for name, value in state_dict.items() if name != "rank"}
        self.rank = state_dict["rank"].tolist() if state_dict else None
        self.weights = {name: value.to(kept[name].device) for name, value in named.items()}


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
