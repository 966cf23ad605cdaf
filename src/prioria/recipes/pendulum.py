"""Paths of a pendulum: do they pass through the angles in between? (Klushyn et al., 2019, the poster)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from prioria import explore
from prioria.data import Dataset
from prioria.data import load as load_data
from prioria.data.pendulum import NOISE, render
from prioria.model import VAE
from prioria.recipes.paths import METHODS, NEIGHBOURS, Effort, frames_of, markdown, pairs_of, trained
from prioria.report import constraint, graphs, strips, style
from prioria.storage import write_json, write_text
from prioria.train import Run

TARGET, TOLERANCE = "rmse=0.06", 2.0  # a fifth above the noise of the pixels; degrees back that still count as onward
MOMENTS = (0, 300, 1000, 3000, 11_900)  # steps at which the latent space is looked at
EFFORTS = {"smoke": Effort(epochs=1, pairs=2, nodes=30, rows=200), "cpu": Effort(epochs=100, pairs=100)}
COLUMNS = (
    "method",
    "beta at the end",
    "RMSE",
    f"monotone within {TOLERANCE:.0f}°",
    "largest jump of angle: median, worst",
    "largest distance to a clean image (RMSE): median, worst",
    "nodes on a path: median",
    "discontinuities on a path: mean",
)


@dataclass(frozen=True)
class Walk:
    """What became of the angle along one path.

    Attributes:
        monotone: whether it never turns back by more than two degrees.
        jump: largest change between two frames, in degrees.
        distance: largest distance of a frame to the nearest clean image, root mean square per pixel.
    """

    monotone: bool
    jump: float
    distance: float

    @classmethod
    def of(cls, frames: Tensor) -> Walk:
        """Reads the angle of each frame (T, 256) off the nearest of 360 clean images."""
        clean = render(np.radians(np.arange(360))).reshape(360, -1)
        squares = ((frames.numpy()[:, None] - clean) ** 2).mean(-1)
        turns = (np.diff(squares.argmin(1)) + 180) % 360 - 180
        onward = turns * (np.sign(turns.sum()) or 1)
        return cls(bool((onward >= -TOLERANCE).all()), float(np.abs(turns).max()), float(np.sqrt(squares.min(1)).max()))


def study(budget: str, out: Path, runs: Path = Path("runs")) -> Path:
    """Trains all methods on the pendulum, walks between test images, and writes page, numbers and pictures.

    Args:
        budget: "smoke" or "cpu".
        out: folder of the results.
        runs: folder of the runs.
    """
    effort, folder = EFFORTS[budget], out / "vhp"
    data = effort.of(load_data("pendulum"))
    moments: dict[str, list[constraint.Moment]] = {METHODS[name].title: [] for name in ("vhp-rewo", "vhp-geco")}
    found: dict[str, Run] = {}
    for name, method in METHODS.items():

        def look(model: VAE, step: int, title: str = method.title) -> None:
            if step in MOMENTS and title in moments:
                moments[title].append(constraint.Moment.of(model, data, step))

        settings = {"scale": NOISE, "target": TARGET, "epochs": effort.epochs}
        found[name] = trained(name, data, **settings, out=runs / f"vhp-pendulum-{budget}" / name, watch=look)
    if all(moments.values()):  # a run that was there already is not watched again
        style.write(constraint.evolution(moments), folder / "pendulum-evolution.png")
    style.write(constraint.update_surfaces(), folder / "update-surfaces.png")
    results = [_walked(name, run, data, effort, folder) for name, run in found.items()]
    results.insert(0, _straight(found["vhp-rewo"], data, effort))
    write_json(folder / "pendulum.json", {"effort": asdict(effort), "target": TARGET, "results": results})
    return _page(results, effort, budget, folder)


def _walked(name: str, run: Run, data: Dataset, effort: Effort, folder: Path) -> dict:
    starts, ends = pairs_of(data, effort.pairs)
    neighbours = min(NEIGHBOURS, effort.nodes - 1)
    graph = explore.latent_graph(run.model, nodes=effort.nodes, neighbours=neighbours)
    paths = explore.interpolate(run.model, graph, starts, ends)
    style.write(graphs.graph(graph, paths[:1]), folder / f"pendulum-graph-{name}.png")
    style.write(strips.strips(_strips(METHODS[name].title, paths, data)), folder / f"pendulum-strip-{name}.png")
    strips.animation(strips.strips_of(paths[:1], data.protocol)[0], folder / f"pendulum-{name}.gif")
    return _measured(METHODS[name].title, run, paths) | {"parts": graph.components}


def _straight(run: Run, data: Dataset, effort: Effort) -> dict:
    lines = explore.straight(run.model, *pairs_of(data, effort.pairs))
    return _measured("straight line (VHP + REWO)", run, lines)


def _measured(title: str, run: Run, paths: Sequence[explore.Path]) -> dict:
    walks = [Walk.of(frames) for frames in frames_of(run.model, paths)]
    last = [line for line in run.history if line["split"] == "train"][-1]
    x = run.data.test.tensor()
    error = (x - explore.decoded(run.model, run.model.encode(x))).square().mean().sqrt().item()
    return {
        "title": title,
        "beta": last.get("beta"),
        "verdict": constraint.verdict(run.history) if constraint.is_constrained(run.history) else None,
        "rmse": error,
        "monotone": float(np.mean([walk.monotone for walk in walks])),
        "jump": _spread([walk.jump for walk in walks]),
        "distance": _spread([walk.distance for walk in walks]),
        "nodes": float(np.median([len(path.z) for path in paths])),
        "discontinuities": float(np.mean([len(path.discontinuities) for path in paths])),
    }


def _spread(values: Sequence[float]) -> list[float]:
    return [float(np.median(values)), float(np.max(values))]


def _strips(title: str, paths: Sequence[explore.Path], data: Dataset) -> dict[str, strips.Strip]:
    drawn = strips.strips_of(paths[:3], data.protocol)
    return {f"{title}, path {number + 1}": strip for number, strip in enumerate(drawn)}


def _page(results: list[dict], effort: Effort, budget: str, folder: Path) -> Path:
    command = shlex.join(["prioria", "reproduce", "vhp-pendulum", "--budget", budget])
    text = f"""# Paths of a pendulum

Made by `{command}`: {effort.epochs} epochs of {effort.rows or "all"} training rows, seed 0,
two latents, tanh networks of two layers of 128 for every method, p(x|z) with the standard deviation {NOISE} of the
pixel noise, target {TARGET}. {effort.pairs} pairs of test images, graphs of {effort.nodes:,} prior samples with
{NEIGHBOURS} neighbours. Each path with its edges is resampled to 50 frames by arc length; the angle of a frame is that
of the nearest of 360 clean images.

{markdown(COLUMNS, [_line(result) for result in results])}

![Latent space while training](pendulum-evolution.png)

![Updates of beta](update-surfaces.png)
{"".join(f"{chr(10)}![Paths of {name}](pendulum-strip-{name}.png){chr(10)}" for name in METHODS)}"""
    write_text(folder / "pendulum.md", text)
    return folder / "pendulum.md"


def _line(result: dict) -> list[str]:
    median, worst = result["jump"]
    near, far = result["distance"]
    return [
        result["title"],
        "" if result["beta"] is None else f"{result['beta']:.3f}",
        f"{result['rmse']:.4f}",
        f"{result['monotone']:.0%}",
        f"{median:.0f}°, {worst:.0f}°",
        f"{near:.3f}, {far:.3f}",
        f"{result['nodes']:.0f}",
        f"{result['discontinuities']:.2f}",
    ]
