"""Pictures of what lies at the edges of a latent space and on the lines through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prioria import explore
from prioria.atomic import check_place
from prioria.data import Dataset
from prioria.distributions import is_binary, is_diagonal
from prioria.drawing import is_drawable
from prioria.evaluate import has_aggregate_density, top_posterior
from prioria.evaluate.diagnosis import OPAQUE, ROWS
from prioria.evaluate.latent.extremes import Ranking
from prioria.evaluate.sampling import device_of, measuring
from prioria.explore import Extremes, decoded
from prioria.flows import has_generation
from prioria.model import VAE
from prioria.report import pictures, style
from prioria.report.lines import traversals
from prioria.report.pictures import Section
from prioria.report.pockets import margins, pockets
from prioria.report.strips import animation, strips, strips_of
from prioria.storage import discard, write_json

COLUMNS, SHOWN, FACTORS, NODES, PAIRS = 12, 24, 10, 13, 100
STRAIGHT, GENERATION = "straight in z", "straight in the generation space"
EARLIER = r"(lines|lines-latent|extremes|factors)\.png|straight-in-(z|the-generation-space)-\d+\.gif"


def write_exploration(
    model: VAE, data: Dataset, folder: str | Path, *, pairs: int = 3, by: Ranking = "density", seed: int = 0
) -> dict[str, Any]:
    """Writes pictures of pockets, leaks, lines and single latents of a model into a folder, and returns the numbers.

    ``exploration.json`` holds the fractions that were kept and how they were ranked, the lowest aggregate density along
    100 lines between test rows, and what was left out and why; ``latent.png`` the aggregate posterior with pockets and
    leaks. Of pictures: ``extremes.png`` (low-posterior samples under the whole aggregate posterior and, beside, under
    mini-batches as released; high-posterior samples), ``lines.png`` with one .gif for each line, ``factors.png``. Of
    two latents: ``lines-latent.png``, lines over the aggregate posterior. Lines in the generation space need a prior
    that has one, low-posterior samples a posterior with a density everywhere.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        data: its data.
        folder: where to.
        by: what high-posterior samples are ranked by, as for :func:`prioria.explore.high_posterior`.
        pairs: lines to draw, at most half as many as there are test rows.
        seed: of all draws.
    """
    folder = Path(folder)
    check_place(folder / "exploration.json")
    extremes = _extremes(model, data, by, seed)
    starts, ends = _ends(data, PAIRS, seed)
    lines = _lines(model, starts[:pairs], ends[:pairs])
    numbers = {
        "extremes": {name: _recorded(each) for name, each in extremes.items()},
        "lowest_density": _densities(model, data, starts, ends, GENERATION in lines),
        "left_out": _left_out(model, data, GENERATION in lines) | _too_few(data, pairs),
        "seed": seed,
    }
    discard(folder, EARLIER)
    style.write(pockets(model, data, seed=seed), folder / "latent.png")
    if margins(model, data, seed=seed).density is not None and GENERATION in lines:
        style.write(traversals(model, data, pairs=pairs, seed=seed), folder / "lines-latent.png")
    if is_drawable(data.protocol):
        _draw_lines(lines, data, folder)
    if len(data.shape) == 3:
        rows = {f"{name} samples": _section(model, each) for name, each in extremes.items()}
        style.write(pictures.page(rows, data.protocol, columns=COLUMNS), folder / "extremes.png")
        style.write(pictures.page(_factors(model, data), data.protocol, columns=NODES), folder / "factors.png")
    write_json(folder / "exploration.json", numbers)
    return numbers


def _extremes(model: VAE, data: Dataset, by: Ranking, seed: int) -> dict[str, Extremes]:
    high = explore.high_posterior(model, data.train, num_samples=SHOWN, seed=seed, limit=ROWS, by=by)
    if not has_aggregate_density(model, data.train):
        return {"high-posterior": high}
    low = explore.low_posterior(model, data.train, num_samples=SHOWN, seed=seed, limit=ROWS)
    released = explore.low_posterior_as_released(model, data.train, num_samples=SHOWN, seed=seed)
    return {"low-posterior": low, "low-posterior, as released": released, "high-posterior": high}


def _left_out(model: VAE, data: Dataset, has_lines: bool) -> dict[str, str]:
    found = {}
    if not has_aggregate_density(model, data.train):
        found["low-posterior samples and densities along lines"] = OPAQUE
    if is_binary(top_posterior(model, data.train)):
        found["densities along lines"] = "Between bits there is no density."
    if not has_lines:
        found[f"lines {GENERATION}"] = "Only priors that are a flow or a Gaussian have that space."
    return found


def _too_few(data: Dataset, pairs: int) -> dict[str, str]:
    rows = len(data.test)
    return {f"lines beyond the first {rows // 2}": f"{rows} test rows make no more pairs."} if rows < 2 * pairs else {}


def _recorded(found: Extremes) -> dict[str, Any]:
    return {"fraction": found.fraction, "drawn": found.drawn, "kept": len(found.z), "ranking": found.ranking}


def _section(model: VAE, found: Extremes) -> Section:
    note = f"lowest {found.fraction:.0%} of {found.drawn:,} draws, by the {found.ranking}"
    return Section(decoded(model, found.z.flatten(1)), note)


def _ends(data: Dataset, count: int, seed: int) -> tuple[Tensor, Tensor]:
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(seed))[: 2 * count]
    half = len(order) // 2
    return data.test.batch(order[:half]), data.test.batch(order[half : 2 * half])


def _lines(model: VAE, starts: Tensor, ends: Tensor) -> dict[str, list[explore.Path]]:
    found = {STRAIGHT: explore.straight(model, starts, ends, nodes=NODES)}
    with measuring(model):
        has_lines = has_generation(model.top.prior(None))
    if has_lines:
        found[GENERATION] = explore.generation_lines(model, starts, ends, nodes=NODES)
    return found


def _densities(model: VAE, data: Dataset, starts: Tensor, ends: Tensor, both: bool) -> dict[str, Any] | None:
    q = top_posterior(model, data.train)
    if is_binary(q) or not is_diagonal(q):  # between bits there is no density
        return None
    if not both:
        lowest = explore.lowest_density(model, data.train, explore.straight(model, starts, ends), limit=ROWS)
        return {"means": {STRAIGHT: lowest.mean().item()}, "lines": len(lowest)}
    found = explore.line_densities(model, data.train, starts, ends, limit=ROWS)
    means = {STRAIGHT: found.representation.mean().item(), GENERATION: found.generation.mean().item()}
    return {"means": means, "lines": len(found.generation), **found.to_json()}


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
    with measuring(model):
        return model.encode(x[:1000].to(device_of(model))).flatten(1).std(0)
