"""What torchrun starts: a training whose second process may kill itself at a step, once."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch import Tensor

from prioria import VAE, data, objectives
from prioria.train import fit
from prioria.train.together import Together
from tests.train.small import OPTIONS, digits, elbo, exact, streamed, vamp


def kill_once(step: int, marker: Path) -> None:
    """Kills the second process when it comes to its forward pass of that number for the first time."""
    forward, calls = Together.forward, iter(range(1, 10**6))

    def dying(self: Together, *args: object) -> object:
        if next(calls) == step and os.environ["RANK"] == "1" and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(self, *args)

    Together.forward = dying


def watch_rows(split: data.Split, read: list[list[int]]) -> None:
    """Notes the rows that are read from a split."""
    batch = data.Split.batch

    def noting(self: data.Split, indices: Tensor) -> Tensor:
        if self is split:
            read.append(indices.tolist())
        return batch(self, indices)

    data.Split.batch = noting


def flat(model: VAE) -> list[float]:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()


def main(out: Path, kill: int) -> None:
    out.mkdir(exist_ok=True)
    if kill:
        kill_once(kill, out / "killed")
    rows, training, validation = digits(), [], []
    watch_rows(rows.train, training)
    watch_rows(rows.validation, validation)
    where = {"out": out / "run", "resume": True, "checkpoint_every": "2 steps"}
    run = fit(vamp(), elbo(), rows, device="cpu", trackers=(), **(OPTIONS | where))
    model, _, table = exact()
    fit(model, objectives.ELBO(), table, epochs=3, batch_size=40, learning_rate=0.1, device="cpu", progress=False)
    other, _, _ = exact()
    stream = streamed(out / f"stream-{os.environ['RANK']}")
    fit(other, objectives.ELBO(), stream, epochs=2, batch_size=40, learning_rate=0.1, device="cpu", progress=False)
    found = {
        "weights": flat(run.model),
        "exact": flat(model),
        "stream": flat(other),
        "training": training,
        "validation": validation,
    }
    (out / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
