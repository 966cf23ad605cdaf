"""Cells and page of a table of pairs: a baseline and the same with another prior, by the quality of samples."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from prioria import evaluate
from prioria.data import Dataset
from prioria.evaluate import Classifier
from prioria.evaluate.fid import generated_images
from prioria.explore import decoded, line_densities, low_posterior
from prioria.flows import NormalizingFlow
from prioria.model import VAE
from prioria.recipes.cell import RESULT, Cell, shortened
from prioria.recipes.dpvae import STEPS
from prioria.storage import load, save, write_json
from prioria.train import Run, fit, resume

PAIRS, SHARE = 100, 0.2  # lines between encodings; of the prior draws that are low-posterior samples
IMAGES = {"smoke": 20, "short": 2000, "cpu": 10_000, "gpu": 10_000}


class Coordinates:
    """Points of the plane as their own features."""

    name = "coordinates"

    def __call__(self, rows: Tensor, /) -> Tensor:
        return rows


def compute_pair_cell(cell: Cell, data: Dataset) -> dict[str, Any]:
    """Returns the result of a cell, doing only what is still to do."""
    result = cell.result
    if result is None:
        run = _trained(cell, shortened(data, cell.budget))
        result = _measured(cell, run, data)
        write_json(cell.folder / RESULT, result)
    write_json(cell.out / cell.name.with_suffix(".json"), result)
    return result


def _trained(cell: Cell, data: Dataset) -> Run:
    batch = cell.budget.batch_size
    epochs = math.ceil(STEPS[cell.budget_name] * batch / len(data.train))
    if (cell.folder / "run.json").exists():
        return resume(cell.folder, epochs=epochs, data=data)
    assert cell.row.build is not None and cell.row.objective is not None
    torch.manual_seed(cell.seed)
    options: dict[str, Any] = {"seed": cell.seed, "out": cell.folder, "progress": False, **cell.row.training}
    objective = cell.row.objective(data, cell.budget)
    return fit(cell.row.build(data), objective, data, epochs=epochs, batch_size=batch, **options)


def _measured(cell: Cell, run: Run, data: Dataset) -> dict[str, Any]:
    model, budget, start = run.model, cell.budget, time.perf_counter()
    x = data.test.tensor(budget.limit)
    decoupled = isinstance(next(iter(model.stages_.values())).prior(None), NormalizingFlow)
    draws = min(5000, IMAGES[cell.budget_name])
    rate = evaluate.parts(model, x, 10)["rate"]
    found: dict[str, Any] = {
        "row": cell.row.name,
        "data": cell.data,
        "seed": cell.seed,
        "budget": {"name": cell.budget_name, "steps": STEPS[cell.budget_name], **asdict(budget)},
        "rate": rate.value,
        "log_likelihood": evaluate.log_likelihood(model, x, num_samples=budget.num_samples).to_json(),
        "skl": evaluate.symmetric_kl(model, run.data.train, draws).to_json(),
        "skl_nearest": evaluate.nearest_neighbour_kl(model, run.data.train, draws).to_json(),
        "leakage": evaluate.leakage(model, run.data.train, num_samples=draws).to_json(),
        "overlap": asdict(evaluate.overlap(model, run.data.train, data.test, draws)),
        "images": _images(cell, model, data),
        "seconds": {"evaluation": round(time.perf_counter() - start)},
    }
    if len(run.model.groups) == 1 and latents_of(model) <= 2:
        found["quadrature"] = evaluate.quadrature_log_likelihood(model, x).to_json()
    if decoupled:
        near = evaluate.nearest_neighbour_kl(model, run.data.train, draws, generation_space=True)
        starts, ends = data.test.tensor(2 * PAIRS).chunk(2)
        lines = line_densities(model, run.data.train, starts, ends[: len(starts)])
        found |= {"skl_nearest_generation": near.to_json(), "lines": lines.to_json()}
    return found


def latents_of(model: VAE) -> int:
    """Returns the number of latents of the top group."""
    return next(iter(model.stages_.values())).prior(None).event_shape.numel()


def _images(cell: Cell, model: VAE, data: Dataset) -> dict[str, Any] | None:
    extractor = Coordinates() if data.dimensions == 2 else _classifier(cell, data)
    if extractor is None:
        return None
    count = IMAGES[cell.budget_name]
    reference = data.test.tensor(count) if data.dimensions > 2 else data.train.tensor(count)
    samples = _rows(model, data, count)
    low = low_posterior(model, data.train, count, fraction=SHARE)
    pockets = decoded(model, low.z.flatten(1))
    floor = evaluate.fid(data.train.tensor(len(reference)), reference, extractor)
    found = {
        "fid": evaluate.fid(samples, reference, extractor).to_json(),
        "fid_low_posterior": evaluate.fid(pockets, reference, extractor).to_json(),
        "kid": evaluate.kid(samples, reference, extractor).to_json(),
        "floor": floor.to_json(),
        "low_posterior": {"fraction": low.fraction, "drawn": low.drawn, "ranking": low.ranking},
    }
    if data.name == "two-moons":
        off = {"samples": off_the_moons(samples), "low_posterior": off_the_moons(pockets)}
        found |= {"off_the_moons": off | {"data": off_the_moons(reference)}}
    return found


def _rows(model: VAE, data: Dataset, count: int) -> Tensor:
    if data.dimensions > 2:
        return generated_images(model, count)
    return decoded(model, evaluate.prior_draws(model, count).flatten(1))


def _classifier(cell: Cell, data: Dataset) -> Classifier | None:
    """Returns the classifier of a data set, trained once for all cells; None where there are no labels."""
    folder = cell.runs / cell.table.name / cell.data / f"classifier-{cell.budget_name}"
    if data.train.labels is None or data.train.labels.dim() != 1:
        return None
    if not folder.exists():
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
