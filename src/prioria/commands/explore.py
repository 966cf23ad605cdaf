"""The command that draws the edges of a latent space and the lines through it."""

from __future__ import annotations

from pathlib import Path

from prioria.commands.opened import DataPlace, RunFolder
from prioria.evaluate.latent.extremes import Ranking
from prioria.report.exploration import PAIRS, write_exploration
from prioria.report.levels import levels
from prioria.train import Run


def explore(
    run: RunFolder,
    *,
    pairs: int = 3,
    by: Ranking = "density",
    out: Path | None = None,
    data: DataPlace = None,
    seed: int = 0,
) -> None:
    """Draw low- and high-posterior samples, lines between encodings, what single latents do, and the levels of a
    hierarchy.

    Writes pictures, animations and exploration.json into a folder; the rate of each level, in nats, is printed.

    Args:
        pairs: lines to draw, at most 100.
        by: what high-posterior samples are ranked by: density is log p(z), base is log p(g(z)) of a flow without its
            log-determinant, as in the dpVAE paper; exploration.json says which.
        out: the folder, RUN/exploration by default.
        seed: of all draws.
    """
    if not 1 <= pairs <= PAIRS:
        raise ValueError(f"--pairs {pairs} lines cannot be drawn; use between 1 and {PAIRS}")
    opened, folder = Run.load(run, data=data), out or run / "exploration"
    if len(opened.data.test) < 2:
        raise ValueError(f"{run} has {len(opened.data.test)} test row, and a line needs two; train on more rows")
    found = write_exploration(opened.model, opened.data, folder, pairs=pairs, by=by, seed=seed)
    for name, each in found["extremes"].items():
        print(f"{name}: {each['kept']} of the least {each['fraction']:.0%} of {each['drawn']:,}, by {each['ranking']}")
    if found["lowest_density"] is not None:
        for name, value in found["lowest_density"]["means"].items():
            print(f"lowest log q(z) on a line {name}: {value:.2f} nats, mean of {found['lowest_density']['lines']}")
    for name, reason in found["left_out"].items():
        print(f"left out: {name}. {reason}")
    (folder / "levels.png").unlink(missing_ok=True)
    if len(opened.model.groups) > 1 and len(opened.data.shape) == 3:
        for name, rate in levels(opened.model, opened.data, folder / "levels.png", seed=seed).items():
            print(f"level {name}: rate {rate} nats")
    print(f"Written: {folder}")
