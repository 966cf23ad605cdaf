"""Cells and page of a table of pairs: a baseline and the same with another prior, by the quality of samples."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prioria import evaluate
from prioria.data import Dataset
from prioria.data.files import data_root
from prioria.evaluate import Classifier, Extractor, InceptionFeatures
from prioria.explore import decoded, line_densities, low_posterior
from prioria.flows import is_flow
from prioria.model import VAE
from prioria.papers.cell import locked, scored, trained
from prioria.papers.likelihood import cost
from prioria.papers.points import Coordinates, drawn_anew, off_the_moons
from prioria.papers.table import Cell, Result, loaded, shortened
from prioria.storage import ARCHITECTURE, load, save

PAIRS, SHARE = 100, 0.2  # lines between encodings; of the prior draws that are low-posterior samples
IMAGES = {"smoke": 20, "points": 10_000, "short": 10_000, "cpu": 10_000, "gpu": 10_000}
GRID = {"smoke": 2, "points": 100, "short": 0, "cpu": 50, "gpu": 200}  # test rows whose log p(x) is a sum over a grid
POINTS = 49  # of that grid, along each latent
INCEPTION = Path("inception", "pt_inception-2015-12-05-6726825d.safetensors")  # below the root of the data


def measure(cell: Cell) -> Result:
    """Returns the quality of a cell's samples, its likelihood, and what the run cost."""
    data, run = loaded(cell.data), trained(cell)
    model, budget, start = run.last(), cell.budget, time.perf_counter()
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # decodes in half the time
    x, split = scored(cell)
    decoupled = is_flow(model.top.prior(None))
    draws = min(5000, IMAGES[cell.budget_name])
    estimate = evaluate.log_likelihood(model, x, num_samples=budget.num_samples)
    found: dict[str, Any] = {
        "headline": f"{estimate} nats",
        "rate": evaluate.parts(model, x, num_samples=10)["rate"].value,
        "log_likelihood": estimate.to_json(),
        "skl": evaluate.symmetric_kl(model, run.data.train, num_samples=draws).to_json(),
        "skl_nearest": evaluate.nearest_neighbor_kl(model, run.data.train, num_samples=draws).to_json(),
        "total_correlation": evaluate.total_correlation(model, run.data.train, num_samples=draws).to_json(),
        "leakage": evaluate.leakage(model, run.data.train, num_samples=draws).to_json(),
        "overlap": asdict(evaluate.overlap(model, run.data.train, held_out=data.test, num_samples=draws)),
        "images": _images(cell, model, data),
        "split": split,
        "selection": "weights at the end",
    }
    if GRID[cell.budget_name] and latents_of(model) <= 2:
        grid = evaluate.quadrature_log_likelihood(model, x, points=POINTS, limit=GRID[cell.budget_name])
        found["quadrature"] = grid.to_json()
    if decoupled:
        near = evaluate.nearest_neighbor_kl(model, run.data.train, num_samples=draws, generation_space=True)
        starts, ends = data.test.tensor(2 * min(PAIRS, draws // 10)).chunk(2)
        lines = line_densities(model, run.data.train, starts, ends[: len(starts)])
        found |= {"skl_nearest_generation": near.to_json(), "lines": lines.to_json()}
    return found | cost(run, start)


def latents_of(model: VAE) -> int:
    """Returns the number of latents of the top group."""
    return model.top.prior(None).event_shape.numel()


def _images(cell: Cell, model: VAE, data: Dataset) -> dict[str, Any] | None:
    """Returns distances of what the model decodes from real rows; None where there are no features to compare in."""
    extractor, count = _extractor(cell, data), IMAGES[cell.budget_name]
    if extractor is None:
        return None
    real, reference = _real(data, count)
    count = len(reference)  # the floor and what is compared with it have the bias of one number of rows
    low = low_posterior(model, data.train, num_samples=count, fraction=SHARE)
    latents = {
        "samples": evaluate.prior_draws(model, num_samples=count),
        "low_posterior": low.z,
        "aggregate": evaluate.aggregate_draws(
            model, data.train, num_samples=count
        ),  # a prior that fits would sample these
    }
    rows = {name: _decoded(model, z, data) for name, z in latents.items()}
    distances = {name: evaluate.fid(each, reference, extractor) for name, each in (rows | {"floor": real}).items()}
    distances["prior"] = evaluate.fid(rows["samples"], rows["aggregate"], extractor)
    found = {
        "fid": {name: each.to_json() for name, each in distances.items()},
        "low_posterior": {"fraction": low.fraction, "drawn": low.drawn, "ranking": low.ranking},
    }
    if data.dimensions == 2:
        return found | {"off_the_moons": {name: off_the_moons(each) for name, each in rows.items()}}
    return found | {"kid": evaluate.kid(rows["samples"], reference, extractor).to_json()}


def _decoded(model: VAE, z: Tensor, data: Dataset) -> Tensor:
    rows = decoded(model, z.flatten(1))
    return rows if data.dimensions == 2 else rows.clamp(0, 1)


def _real(data: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """Returns two sets of real rows that share none: of points drawn anew, of images those of training and test."""
    if data.dimensions == 2:
        return drawn_anew(count)
    count = min(count, len(data.test))
    return data.train.tensor(count), data.test.tensor(count)


def _extractor(cell: Cell, data: Dataset) -> Extractor | None:
    weights = data_root() / INCEPTION
    if data.dimensions == 2:
        return Coordinates()
    if data.shape[0] == 3 and weights.exists():
        return InceptionFeatures(data.shape, str(weights))
    return _classifier(cell, data)


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
