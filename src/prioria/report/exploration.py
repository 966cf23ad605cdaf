"""Pictures of what lies at the edges of a latent space and on the lines through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prioria import explore
from prioria.data import Dataset
from prioria.explore import Extremes, decoded
from prioria.model import VAE
from prioria.report import pictures, style
from prioria.report.moons import traversals
from prioria.report.pictures import Section
from prioria.report.pockets import ROWS, margins, pockets
from prioria.report.strips import animation, is_drawable, strips, strips_of
from prioria.storage import write_json

COLUMNS, SHOWN, FACTORS, NODES, PAIRS = 12, 24, 10, 13, 100


def write_exploration(
    model: VAE, data: Dataset, folder: str | Path, *, pairs: int = 3, seed: int = 0
) -> dict[str, Any]:
    """Writes pictures of pockets, leaks, lines and single latents of a model into a folder, and returns the numbers.

    ``exploration.json`` holds the fractions that were kept and how they were ranked, and the lowest aggregate density
    along 100 lines between test rows; ``latent.png`` the aggregate posterior with pockets and leaks. Of pictures:
    ``extremes.png`` (low-posterior samples under the whole aggregate posterior and, beside, under mini-batches as
    released; high-posterior samples), ``lines.png`` with one .gif for each line, ``factors.png``. Of two latents:
    ``lines-latent.png``, lines over the aggregate posterior. Lines in the generation space need a prior that has one,
    low-posterior samples a posterior with a density.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        data: its data.
        folder: where to.
        pairs: lines to draw.
        seed: of all draws.
    """
    folder = Path(folder)
    extremes = _extremes(model, data, seed)
    lines = _lines(model, data, PAIRS, seed)
    numbers = {
        "extremes": {name: _recorded(each) for name, each in extremes.items()},
        "lowest_density": _densities(model, data, lines),
        "seed": seed,
    }
    style.write(pockets(model, data, seed=seed), folder / "latent.png")
    if margins(model, data, seed=seed).density is not None and "straight in the generation space" in lines:
        style.write(traversals(model, data, seed=seed), folder / "lines-latent.png")
    if is_drawable(data.protocol):
        _draw_lines({name: each[:pairs] for name, each in lines.items()}, data, folder)
    if len(data.shape) == 3:
        rows = {f"{name} samples": _section(model, each) for name, each in extremes.items()}
        style.write(pictures.page(rows, data.protocol, columns=COLUMNS), folder / "extremes.png")
        style.write(pictures.page(_factors(model, data), data.protocol, columns=NODES), folder / "factors.png")
    write_json(folder / "exploration.json", numbers)
    return numbers


def _extremes(model: VAE, data: Dataset, seed: int) -> dict[str, Extremes]:
    high = explore.high_posterior(model, data.train, SHOWN, seed, limit=ROWS)
    try:
        low = explore.low_posterior(model, data.train, SHOWN, seed, limit=ROWS)
    except ValueError:  # a flow: no density at a z that it did not draw
        return {"high-posterior": high}
    released = explore.low_posterior_as_released(model, data.train, SHOWN, seed)
    return {"low-posterior": low, "low-posterior, as released": released, "high-posterior": high}


def _recorded(found: Extremes) -> dict[str, Any]:
    return {"fraction": found.fraction, "drawn": found.drawn, "kept": len(found.z), "ranking": found.ranking}


def _section(model: VAE, found: Extremes) -> Section:
    note = f"lowest {found.fraction:.0%} of {found.drawn:,} draws, by the {found.ranking}"
    return Section(decoded(model, found.z.flatten(1)), note)


def _lines(model: VAE, data: Dataset, count: int, seed: int) -> dict[str, list[explore.Path]]:
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(seed))[: 2 * count]
    starts, ends = (
        data.test.batch(rows) for rows in (order[: len(order) // 2], order[len(order) // 2 :][: len(order) // 2])
    )
    found = {"straight in z": explore.straight(model, starts, ends, nodes=NODES)}
    try:
        found["straight in the generation space"] = explore.generation_lines(model, starts, ends, nodes=NODES)
    except ValueError:  # a prior without a generation space
        return found
    return found


def _densities(model: VAE, data: Dataset, lines: dict[str, list[explore.Path]]) -> dict[str, Any] | None:
    try:
        lowest = {name: explore.lowest_density(model, data.train, each, limit=ROWS) for name, each in lines.items()}
    except ValueError:  # a flow: no density at a z that it did not draw
        return None
    means = {name: values.mean().item() for name, values in lowest.items()}
    if len(lowest) == 1:
        return {"means": means, "lines": len(lines["straight in z"])}
    both = explore.LineDensities(*lowest.values())
    return {"means": means, "lines": len(both.generation), **both.to_json()}


def _draw_lines(lines: dict[str, list[explore.Path]], data: Dataset, folder: Path) -> None:
    rows = {
        f"{name}, {number}": strip
        for name, paths in lines.items()
        for number, strip in enumerate(strips_of(paths, data.protocol), start=1)
    }
    style.write(strips(rows), folder / "lines.png")
    for name, strip in rows.items():
        animation(strip, folder / f"{name.replace(', ', '-').replace(' ', '-')}.gif")


def _factors(model: VAE, data: Dataset) -> dict[str, Section]:
    x = data.test.tensor(ROWS)
    spread = _spread(model, x)
    moved = spread.argsort(descending=True)[:FACTORS].tolist()
    found = explore.factor_traversal(model, x, dimensions=moved, steps=NODES)
    ends = found.values[:, [0, -1]].tolist()
    return {
        f"z[{j}]": Section(frames, f"from {low:.2f} to {high:.2f}, the others as in the first test row")
        for j, frames, (low, high) in zip(found.dimensions, found.frames, ends, strict=True)
    }


def _spread(model: VAE, x: Tensor) -> Tensor:
    return model.encode(x[:1000]).flatten(1).std(0)
