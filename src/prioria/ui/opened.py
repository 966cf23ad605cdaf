"""A run as the explorer sees it: loaded when it is first asked for, again when its best weights have changed."""

from __future__ import annotations

import base64
import json
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from prioria import evaluate, explore, priors
from prioria.data.base import evenly
from prioria.distributions import is_bound, mean
from prioria.evaluate.aggregate import aggregate_posterior, has_aggregate_density
from prioria.evaluate.sampling import device_of, measuring, seed_generators
from prioria.report import strips
from prioria.storage import read_json
from prioria.train import Run, refit_prior
from prioria.train.log import NAME as METRICS
from prioria.train.run import exists
from prioria.ui.plane import Plane
from prioria.ui.rows import Drawer
from prioria.ui.source import EVALUATION, Source, stamp

MOST_ROWS = 100_000
SIDE = 72  # of the grid that densities are drawn on
SCORE_SAMPLES = 32
FRAMES = 40
RATE = 1e-2  # of refitting, which has seconds and begins far away
MARGIN = 0.001  # quantile on both sides of the aggregate posterior beyond which a latent's slider ends
REFITS = {
    "mixture": lambda latents: priors.Mixture(latents, 50),
    "realnvp": priors.RealNVP,
    "hierarchical": priors.Hierarchical,
    "standard": priors.StandardNormal,
}

P = ParamSpec("P")
T = TypeVar("T")


def _alone(method: Callable[Concatenate[Opened, P], T]) -> Callable[Concatenate[Opened, P], T]:
    """One request of a run at a time: a model has one mode, and torch one generator."""

    @wraps(method)
    def locked(self: Opened, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.lock, measuring(self.run.model):
            seed_generators(device_of(self.run.model), (0,))
            return method(self, *args, **kwargs)

    return locked


class Opened:
    """What the pages of one run are made from.

    Args:
        place: folder of the run, which may still be training, or a model alone: model.zip, its folder, hf://user/name.
        data: where its data lies now; rows of a model alone.

    Raises:
        ValueError: there is neither.
    """

    def __init__(self, place: Path, data: str | None = None) -> None:
        if not exists(place):
            try:
                Source.of(place, data)  # a model alone does not grow: what is wrong with it is said at once
            except ValueError as error:
                raise ValueError(f"run={str(place)!r} holds no run and no model to show ({error})") from error
        self.folder, self.data, self.lock = place, data, threading.RLock()
        self._source: Source | None = None
        self._stamp: float | None = None
        self._kept: dict[Any, Any] = {}

    @property
    def run(self) -> Run:
        """The run with its best weights as they are now.

        Raises:
            ValueError: it has none yet, or they are being written.
        """
        with self.lock:
            return self._current().run

    def _current(self) -> Source:
        now = stamp(self.folder)
        if self._source is None or now != self._stamp:
            self._source, self._kept = Source.of(self.folder, self.data), {}
            self._stamp = now
        return self._source

    @property
    def top(self) -> str:
        """The name of the top group."""
        return self.run.model.groups[0]

    @property
    def drawer(self) -> Drawer:
        """How rows of the data are shown."""
        return self._once("drawer", lambda: Drawer.of(self.run.data))

    def _once(self, key: Any, compute: Callable[[], T]) -> T:
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]

    def facts(self) -> dict[str, Any]:
        """What every page must know of the run; with ``error`` in place of most where it cannot be read now."""
        name = self.folder.resolve().name
        try:
            run = self.run
            groups = {group: list(z.shape[2:]) for group, z in self._sample().z.items()}
            return {
                "name": name,
                "data": Path(run.data.protocol.title).name,  # of own data a path
                "rows": len(run.data.test),
                "classes": list(run.data.protocol.classes),
                "groups": groups,
                "latents": int(np.prod(groups[self.top])),
                "drawer": self.drawer.facts(),
                "evaluation": self._evaluation(),
                "note": self._current().note,
                "refits": self._refits(),
            }
        except (ValueError, OSError) as error:
            return {"name": name, "error": str(error)}

    @_alone
    def _refits(self) -> list[str]:
        """Priors that may be refitted: they are over real numbers, as the latents must be."""
        support = self.run.model.stages[self.top].prior(None).support
        return [] if support is not None and support.is_discrete else list(REFITS)

    @_alone
    def _sample(self) -> Any:
        return self.run.model.generate(1)

    def _evaluation(self) -> Any:
        file = self.folder / EVALUATION
        return read_json(file) if file.exists() else self._current().evaluation

    @_alone
    def map(self, limit: int = 2000) -> dict[str, Any]:
        """Encodings of test rows in the plane, with labels."""
        plane, z = self._plane(), self._encoded(limit)
        labels = self.run.data.test.labels
        chosen = self._rows(limit)
        flat = None if labels is None else labels[chosen] if labels.dim() == 1 else labels[chosen, 0]
        return {
            "points": plane.to_plane(z).tolist(),
            "rows": chosen.tolist(),
            "labels": None if flat is None else flat.tolist(),
            **plane.facts(),
        }

    def _rows(self, limit: int) -> Tensor:
        return evenly(len(self.run.data.test), max(1, min(limit, MOST_ROWS)))

    def _encoded(self, limit: int) -> Tensor:
        def compute() -> Tensor:
            x = self.run.data.test.batch(self._rows(limit))
            return torch.cat([self._top_of(part) for part in x.split(1000)])

        return self._once(("z", limit), compute)

    def _top_of(self, x: Tensor) -> Tensor:
        return self.run.model.encode(x.to(device_of(self.run.model))).flatten(1).cpu()

    def _plane(self) -> Plane:
        return self._once("plane", lambda: Plane.of(self._encoded(2000), self.top))

    @_alone
    def scores(self, limit: int = 2000) -> dict[str, Any]:
        """Log p(x) of the rows of the map, and log p(z) - log q(z) where the aggregate posterior has a density."""

        def compute() -> dict[str, Any]:
            x = self.run.data.test.batch(self._rows(limit))
            found = evaluate.log_likelihood(self.run.model, x, num_samples=SCORE_SAMPLES)
            return {"log_px": found.pointwise.tolist(), "log_ratio": self._log_ratio(limit), "samples": SCORE_SAMPLES}

        return self._once(("scores", limit), compute)

    def _log_ratio(self, limit: int) -> list[float] | None:
        densities = self._densities(self.run.model.stages[self.top].prior(None), self._encoded(limit))
        return None if densities is None else (densities[0] - densities[1]).tolist()

    def _densities(self, prior: Distribution, z: Tensor) -> tuple[Tensor, Tensor] | None:
        x = self.run.data.train.tensor(500)
        if not has_aggregate_density(self.run.model, x[:2]):
            return None
        q = self._once("q", lambda: aggregate_posterior(self.run.model, x))
        shaped = z.unflatten(-1, prior.event_shape).to(device_of(self.run.model))
        tiles = shaped.split(2000)
        log_p = torch.cat([prior.log_prob(tile) for tile in tiles]).cpu()
        return log_p, torch.cat([q.log_prob(tile) for tile in tiles]).cpu()

    @_alone
    def row(self, row: int) -> dict[str, Any]:
        """One test row, its reconstruction and where it lies."""
        if not 0 <= row < len(self.run.data.test):
            raise ValueError(f"row={row}: the test split has rows 0 to {len(self.run.data.test) - 1}")
        x = self.run.data.test.batch(torch.tensor([row]))
        z = self._top_of(x)
        return {
            "row": row,
            "x": self.drawer.to_text(x),
            "reconstruction": self.drawer.to_text(self._means(z)),
            "z": z[0].tolist(),
            "point": self._plane().to_plane(z)[0].tolist(),
        }

    @_alone
    def decoded(self, z: Sequence[Sequence[float]]) -> NDArray[Any]:
        """What latents of the top group (n, L) decode to, as the page draws it."""
        return self.drawer.values(self._means(self._latents(z)))

    def _latents(self, z: Sequence[Sequence[float]]) -> Tensor:
        found = torch.tensor(z, dtype=torch.float32)
        wanted = self._encoded(2000).shape[1]
        if found.dim() != 2 or found.shape[1] != wanted or not 0 < len(found) <= 256:
            raise ValueError(f"z has shape {tuple(found.shape)}; give between 1 and 256 rows of {wanted} latents")
        if not found.isfinite().all():
            raise ValueError("z holds a number that is not finite")
        return found

    def _means(self, z: Tensor) -> Tensor:
        # The groups below are drawn with the seed of every request: the same z gives the same picture.
        event = self._once("event", lambda: self._sample().z[self.top].shape[2:])
        given = z.unflatten(-1, event).to(device_of(self.run.model))
        draw = self.run.model.generate(len(z), **{self.top: given.unsqueeze(0)})
        return mean(draw.px)[0].cpu()

    @_alone
    def resampled(self, z: Sequence[Sequence[float]], count: int = 8) -> dict[str, Any]:
        """Decodes one z of the top group again and again, all groups below it and the values themselves drawn anew."""
        top = self._latents(z)[:1].expand(min(max(int(count), 1), 32), -1)
        seed_generators(device_of(self.run.model), (int(torch.randint(2**31, ()).item()),))
        return {"pictures": self.drawer.to_text(self._means(top))}

    def latents(self) -> dict[str, Any]:
        """Mean and range of every latent of the top group over the encodings."""
        with self.lock:
            self.map()
            z = self._encoded(2000)
        low, high = (z.quantile(share, 0) for share in (MARGIN, 1 - MARGIN))
        return {"mean": z.mean(0).tolist(), "low": low.tolist(), "high": high.tolist(), "sd": z.std(0).tolist()}

    def _spread(self) -> Tensor:
        """Where encodings and draws of the run's own prior are, but for the farthest draws."""

        def compute() -> Tensor:
            prior = self.run.model.stages[self.top].prior(None)
            draws = prior.sample(torch.Size([1000])).flatten(1).cpu()
            far = self._plane().to_plane(draws - draws.mean(0)).norm(dim=1)
            return torch.cat([self._encoded(2000), draws[far <= far.quantile(0.97)]])

        return self._once("spread", compute)

    @_alone
    def density(self, refitted: bool = False) -> dict[str, Any]:
        """Log p(z) and log q(z) on a grid of the plane; with more than two latents, on its plane through their mean."""

        def compute() -> dict[str, Any]:
            prior = self._kept["refit"] if refitted else self.run.model.stages[self.top].prior(None)
            x, y, z = self._plane().grid(self._spread(), SIDE)
            densities = self._densities(prior, z)
            found = {"x": x.tolist(), "y": y.tolist(), "side": SIDE, "bound": is_bound(prior)}
            if densities is None:
                return found | {"log_p": None, "log_q": None}
            samples = prior.sample(torch.Size([1000])).flatten(1).cpu()
            return found | {
                "log_p": densities[0].tolist(),
                "log_q": densities[1].tolist(),
                "samples": self._plane().to_plane(samples).tolist(),
            }

        if refitted and "refit" not in self._kept:
            raise ValueError("no prior has been refitted yet")
        return self._once(("density", refitted, id(self._kept.get("refit"))), compute)

    @_alone
    def path(
        self, start: Sequence[float], end: Sequence[float], nodes: int = 500, neighbors: int = 15, mutual: bool = True
    ) -> dict[str, Any]:
        """The straight line between two points of the top group beside the shortest path through prior samples."""
        graph, ways = self._ways(start, end, nodes, neighbors, mutual)
        plane = self._plane()
        edges = np.stack(graph.edges.nonzero(), 1)
        edges = edges[edges[:, 0] < edges[:, 1]]
        return {
            "nodes": plane.to_plane(torch.from_numpy(graph.points)).tolist(),
            "edges": edges.tolist(),
            "parts": graph.components,
            "ways": {name: self._way(way) for name, way in ways.items()},
        }

    def _ways(
        self, start: Sequence[float], end: Sequence[float], nodes: int, neighbors: int, mutual: bool
    ) -> tuple[explore.Graph, dict[str, Tensor]]:
        if not 2 <= int(nodes) <= 5000:
            raise ValueError(f"nodes={nodes} must be between 2 and 5000")
        key = ("graph", int(nodes), int(neighbors), bool(mutual))
        graph = self._once(key, lambda: self._graph(int(nodes), int(neighbors), bool(mutual)))
        ends = self._latents([start, end])
        joined = graph.joined(ends.numpy())
        found = joined.path(len(graph.points), len(graph.points) + 1)
        through = torch.from_numpy(joined.points[found])
        return graph, {
            "straight": explore.resample(ends, FRAMES),
            "graph": explore.resample(through, FRAMES),
        }

    def _graph(self, nodes: int, neighbors: int, mutual: bool) -> explore.Graph:
        return explore.latent_graph(self.run.model, nodes=nodes, neighbors=neighbors, mutual=mutual)

    def _way(self, z: Tensor) -> dict[str, Any]:
        frames = self._means(z)
        way = explore.Path(z, frames, cost=float(z.diff(dim=0).norm(dim=-1).sum()))
        return {
            "z": z.tolist(),
            "points": self._plane().to_plane(z).tolist(),
            "pictures": self.drawer.to_text(frames),
            "discontinuities": way.discontinuities,
            "smoothness": evaluate.smoothness(frames.unsqueeze(0)).pairs.mean().item(),
        }

    @_alone
    def animation(self, way: str = "graph", **asked: Any) -> dict[str, str]:
        """A path as the bytes of a .gif, in base64."""
        _, ways = self._ways(**{"nodes": 500, "neighbors": 15, "mutual": True} | asked)
        if way not in ways:
            raise ValueError(f"way={way!r} is unknown; use {' or '.join(ways)}")
        frames = self._means(ways[way])
        strip = strips.strips_of([explore.Path(ways[way], frames, cost=0.0)], self.run.data.protocol)[0]
        with tempfile.TemporaryDirectory() as folder:
            strips.animation(strip, Path(folder) / "path.gif")
            return {"gif": base64.b64encode((Path(folder) / "path.gif").read_bytes()).decode("ascii")}

    def refit(self, prior: str, steps: int = 500) -> dict[str, Any]:
        """Fits another prior to the frozen encoder, in memory: what it was and what it is."""
        if prior not in REFITS:
            raise ValueError(f"prior={prior!r} is unknown; use one of {', '.join(REFITS)}")
        with self.lock:
            self.map()
            made = REFITS[prior](self._encoded(2000).shape[1])
            found = refit_prior(
                self.run.model, made, self.run.data, steps=min(max(int(steps), 1), 5000), learning_rate=RATE
            )
            self._kept["refit"] = found.model.stages[self.top].prior(None)
            return {"before": found.before.to_json(), "after": found.after.to_json(), "text": str(found)}

    def curves(self) -> dict[str, Any]:
        """The lines of ``metrics.jsonl`` that are whole."""
        try:
            text = (self.folder / METRICS).read_text(encoding="utf-8")
        except OSError:
            return {"lines": []}
        whole = text.splitlines()[: text.count("\n")]
        lines = []
        for line in whole:
            try:
                lines.append(json.loads(line))
            except ValueError:  # cut in the middle by a kill: the next checkpoint writes it anew
                break
        return {"lines": lines}
