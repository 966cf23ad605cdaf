"""Cells and page of a table of pairs: a baseline and the same with another prior, by the quality of samples."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prioria import evaluate
from prioria.data import Dataset
from prioria.data.two_moons import NOISE, two_moons
from prioria.evaluate import Classifier
from prioria.evaluate.fid import generated_images
from prioria.explore import decoded, line_densities, low_posterior
from prioria.flows import NormalizingFlow
from prioria.model import VAE
from prioria.recipes.cell import Cell, loaded, locked, shortened, trained
from prioria.recipes.likelihood import cost
from prioria.recipes.table import Result
from prioria.storage import ARCHITECTURE, load, save

PAIRS, SHARE = 100, 0.2  # lines between encodings; of the prior draws that are low-posterior samples
IMAGES = {"smoke": 20, "points": 10_000, "short": 2000, "cpu": 10_000, "gpu": 10_000}


class Coordinates:
    """Points of the plane as their own features."""

    name = "coordinates"

    def __call__(self, rows: Tensor, /) -> Tensor:
        return rows


def measure(cell: Cell) -> Result:
    """Returns the quality of a cell's samples, its likelihood, and what the run cost."""
    data, run = loaded(cell.data), trained(cell)
    model, budget, start = run.model, cell.budget, time.perf_counter()
    x = data.test.tensor(budget.limit)
    decoupled = isinstance(next(iter(model.stages_.values())).prior(None), NormalizingFlow)
    draws = min(5000, IMAGES[cell.budget_name])
    estimate = evaluate.log_likelihood(model, x, num_samples=budget.num_samples)
    found: dict[str, Any] = {
        "headline": f"{estimate} nats",
        "rate": evaluate.parts(model, x, 10)["rate"].value,
        "log_likelihood": estimate.to_json(),
        "skl": evaluate.symmetric_kl(model, run.data.train, draws).to_json(),
        "skl_nearest": evaluate.nearest_neighbour_kl(model, run.data.train, draws).to_json(),
        "leakage": evaluate.leakage(model, run.data.train, num_samples=draws).to_json(),
        "overlap": asdict(evaluate.overlap(model, run.data.train, data.test, draws)),
        "images": _images(cell, model, data),
        "split": f"test, {len(x):,} examples",
        "selection": "best validation bound",
    }
    if len(run.model.groups) == 1 and latents_of(model) <= 2:
        found["quadrature"] = evaluate.quadrature_log_likelihood(model, x).to_json()
    if decoupled:
        near = evaluate.nearest_neighbour_kl(model, run.data.train, draws, generation_space=True)
        starts, ends = data.test.tensor(2 * PAIRS).chunk(2)
        lines = line_densities(model, run.data.train, starts, ends[: len(starts)])
        found |= {"skl_nearest_generation": near.to_json(), "lines": lines.to_json()}
    return found | cost(run, start)


def latents_of(model: VAE) -> int:
    """Returns the number of latents of the top group."""
    return next(iter(model.stages_.values())).prior(None).event_shape.numel()


def _images(cell: Cell, model: VAE, data: Dataset) -> dict[str, Any] | None:
    extractor = Coordinates() if data.dimensions == 2 else _classifier(cell, data)
    if extractor is None:
        return None
    count = IMAGES[cell.budget_name]
    real, reference = _real(data, count)
    samples = _rows(model, data, count)
    low = low_posterior(model, data.train, count, fraction=SHARE)
    pockets = decoded(model, low.z.flatten(1))
    found = {
        "fid": evaluate.fid(samples, reference, extractor).to_json(),
        "fid_low_posterior": evaluate.fid(pockets, reference, extractor).to_json(),
        "kid": evaluate.kid(samples, reference, extractor).to_json() if data.dimensions > 2 else None,
        "floor": evaluate.fid(real, reference, extractor).to_json(),
        "low_posterior": {"fraction": low.fraction, "drawn": low.drawn, "ranking": low.ranking},
    }
    if data.name == "two-moons":
        off = {"samples": off_the_moons(samples), "low_posterior": off_the_moons(pockets)}
        found |= {"off_the_moons": off | {"data": off_the_moons(reference)}}
    return found


def _real(data: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """Returns two sets of real rows that share none: of points drawn anew, of images the first of training and test."""
    if data.dimensions > 2:
        count = min(count, len(data.test))
        return data.train.tensor(count), data.test.tensor(count)
    drawn, _ = two_moons(2 * count, NOISE, np.random.default_rng(1))
    first, second = torch.from_numpy(drawn).float().chunk(2)
    return first, second


def _rows(model: VAE, data: Dataset, count: int) -> Tensor:
    if data.dimensions > 2:
        return generated_images(model, count)
    return decoded(model, evaluate.prior_draws(model, count).flatten(1))


def _classifier(cell: Cell, data: Dataset) -> Classifier | None:
    """Returns the classifier of a data set, trained once for all cells; None where there are no labels."""
    folder = cell.runs / cell.table.name / cell.data / f"classifier-{cell.budget_name}"
    if data.train.labels is None or data.train.labels.dim() != 1:
        return None
    with locked(folder):
        if not (folder / ARCHITECTURE).exists():
            save(evaluate.fit_classifier(shortened(data, cell.budget)), folder)
    found = load(folder)
    assert isinstance(found, Classifier)
    return found.eval()


def off_the_moons(points: Tensor) -> float:
    """Returns the root mean squared distance of points from the two noiseless half circles.

    Example:
        >>> off_the_moons(torch.tensor([[0.0, 2.0], [1.0, -0.5]]))
        0.70710...
    """
    upper, lower = _from_half_circle(points), _from_half_circle(torch.tensor([1.0, 0.5]) - points)
    return torch.minimum(upper, lower).square().mean().sqrt().item()


def _from_half_circle(points: Tensor) -> Tensor:
    """Returns distances (n,) from {(cos t, sin t), 0 <= t <= pi}."""
    ends = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    to_end = (points[:, None] - ends).norm(dim=-1).min(1).values
    return torch.where(points[:, 1] >= 0, (points.norm(dim=1) - 1).abs(), to_end)
