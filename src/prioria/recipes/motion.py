"""Paths between poses of motion capture, and how smooth they are joint by joint (Klushyn et al., 2019, the poster)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from prioria import evaluate, explore
from prioria.data import Dataset
from prioria.data import load as load_data
from prioria.data.cmu_mocap import MOVEMENTS, moving, read_skeleton
from prioria.data.files import data_root
from prioria.evaluate import Smoothness
from prioria.recipes.paths import FRAMES, METHODS, NEIGHBOURS, Effort, frames_of, markdown, pairs_of, trained
from prioria.report import constraint, graphs, strips, style
from prioria.storage import write_json, write_text
from prioria.train import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALE, TARGET = 0.05, "rmse=0.075"  # of channels between 0 and 1; the target is what a pilot of 100 epochs proposed
ROWS = ("vhp-rewo", "vamp", "iwae")
SHOWN = ("walking", "jogging", "punching", "kicking")
EFFORTS = {"smoke": Effort(epochs=1, pairs=2, nodes=30, rows=200), "cpu": Effort(epochs=400, pairs=100)}


def study(budget: str, out: Path, runs: Path = Path("runs")) -> Path:
    """Trains three methods on motion capture, walks between test poses, and writes page, numbers and pictures.

    Args:
        budget: "smoke" or "cpu".
        out: folder of the results.
        runs: folder of the runs.
    """
    effort, folder = EFFORTS[budget], out / "vhp"
    data = effort.of(load_data("cmu-mocap"))
    settings = {"scale": SCALE, "target": TARGET, "epochs": effort.epochs}
    found = {name: trained(name, data, **settings, out=runs / f"vhp-motion-{budget}" / name) for name in ROWS}
    walked = {name: _walked(name, run, data, effort, folder) for name, run in found.items()}
    _draw_movements(found, data, effort, folder)
    joints, measured = joints_of(), {name: result["smoothness"] for name, result in walked.items()}
    style.write(_bars(list(joints), measured), folder / "motion-smoothness.png")
    numbers = {name: _numbers(found[name], result, list(joints)) for name, result in walked.items()}
    write_json(folder / "motion.json", {"effort": asdict(effort), "target": TARGET, "results": numbers})
    return _page(numbers, list(joints), effort, budget, folder)


def joints_of() -> dict[str, list[int]]:
    """Returns the columns of the data that belong to each joint."""
    skeleton = read_skeleton(data_root())
    joints: dict[str, list[int]] = {}
    for column, channel in enumerate(moving(skeleton)):
        joints.setdefault(skeleton.channels[channel].split()[0], []).append(column)
    return joints


def _walked(name: str, run: Run, data: Dataset, effort: Effort, folder: Path) -> dict:
    graph = _graph(run, effort)
    paths = explore.interpolate(run.model, graph, *pairs_of(data, effort.pairs))
    style.write(graphs.graph(graph, paths[:4]), folder / f"motion-graph-{name}.png")
    smoothness = evaluate.smoothness(frames_of(run.model, paths), list(joints_of().values()))
    return {"smoothness": smoothness, "discontinuities": [len(path.discontinuities) for path in paths]}


def _graph(run: Run, effort: Effort) -> explore.Graph:
    return explore.latent_graph(run.model, nodes=effort.nodes, neighbours=min(NEIGHBOURS, effort.nodes - 1))


def _draw_movements(found: Mapping[str, Run], data: Dataset, effort: Effort, folder: Path) -> None:
    assert data.test.labels is not None
    walks: dict[str, list[explore.Path]] = {}
    for run in found.values():
        graph = _graph(run, effort)
        for movement in SHOWN:
            rows = (data.test.labels == MOVEMENTS.index(movement)).nonzero().flatten()
            walks.setdefault(movement, []).extend(explore.interpolate(run.model, graph, *pairs_of(data, 1, rows=rows)))
    titles = [METHODS[name].title for name in found]
    for movement, paths in walks.items():
        drawn = dict(zip(titles, strips.strips_of(paths, data.protocol), strict=True))
        style.write(strips.strips(drawn), folder / f"motion-{movement}.png")
        strips.animation(next(iter(drawn.values())), folder / f"motion-{movement}.gif")


def _numbers(run: Run, walked: dict, joints: list[str]) -> dict:
    smoothness: Smoothness = walked["smoothness"]
    last = [line for line in run.history if line["split"] == "train"][-1]
    return {
        "overall": smoothness.overall,
        "joints": {
            joint: [mean.item(), sd.item()]
            for joint, mean, sd in zip(joints, smoothness.mean, smoothness.sd, strict=True)
        },
        "discontinuities": float(np.mean(walked["discontinuities"])),
        "beta": last.get("beta"),
        "verdict": constraint.verdict(run.history) if constraint.is_constrained(run.history) else None,
    }


def _bars(joints: list[str], measured: Mapping[str, Smoothness]) -> Figure:
    figure, (axes,) = style.panels(9.0, 3.4)
    places = torch.arange(len(joints)).double()
    for number, (name, each) in enumerate(measured.items()):
        left, colour = (places + 0.25 * (number - 1)).numpy(), style.SERIES[number]
        axes.bar(left, each.mean.numpy(), 0.25, color=colour, label=METHODS[name].title)
        axes.errorbar(left, each.mean.numpy(), each.sd.numpy(), fmt="none", ecolor=style.INK, elinewidth=0.7)
    style.dress(axes, "Root mean square of second differences, mean and sd over paths; smaller is smoother")
    axes.set_xticks(places.numpy(), joints, rotation=60, ha="right")
    style.legend(axes)
    return figure


def _page(numbers: dict[str, dict], joints: list[str], effort: Effort, budget: str, folder: Path) -> Path:
    command = shlex.join(["prioria", "reproduce", "vhp-motion", "--budget", budget])
    titles = [METHODS[name].title for name in numbers]
    lines = [["all joints", *(f"{1000 * found['overall']:.2f}" for found in numbers.values())]]
    lines += [["discontinuities on a path", *(f"{found['discontinuities']:.2f}" for found in numbers.values())]]
    lines += [[joint, *(_with_sd(found["joints"][joint]) for found in numbers.values())] for joint in joints]
    text = f"""# Paths between poses

Made by `{command}`: {effort.epochs} epochs of {effort.rows or "all"} training rows, seed 0,
two latents, tanh networks of two layers of 128 for every method,
p(x|z) with standard deviation {SCALE}, target {TARGET} (VHP + REWO: beta {numbers["vhp-rewo"]["beta"]:.3f} at the end,
{numbers["vhp-rewo"]["verdict"]}). {effort.pairs} pairs of test poses, graphs of {effort.nodes:,} prior samples with
{NEIGHBOURS} neighbours, every path with its edges resampled to {FRAMES} frames by arc length. Root mean square of
second differences of the channels of a joint, in thousandths of a channel's range: mean and standard deviation over
pairs; smaller is smoother. The trials cover the poster's five movements but are not its own, which are not known.

{markdown(["joint", *titles], lines)}

![Smoothness of each joint](motion-smoothness.png)
{"".join(f"{chr(10)}![{movement}](motion-{movement}.png){chr(10)}" for movement in SHOWN)}"""
    write_text(folder / "motion.md", text)
    return folder / "motion.md"


def _with_sd(pair: list[float]) -> str:
    return f"{1000 * pair[0]:.2f} ± {1000 * pair[1]:.2f}"
