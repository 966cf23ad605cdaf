"""A run as the explorer sees it: loaded when it is first asked for, again when its best weights have changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from prioria import evaluate, priors
from prioria.data.base import evenly
from prioria.distributions import by_column, is_bound, is_discrete
from prioria.evaluate.sampling import device_of, measuring, seed_generators
from prioria.storage import read_json
from prioria.train import Run, refit_prior
from prioria.train.run import exists
from prioria.ui.plane import Chart, OfLatents, OfRows, Plane
from prioria.ui.rows import Drawer
from prioria.ui.shown import Shown, read_rows
from prioria.ui.source import EVALUATION, Source, stamp

MOST_ROWS = 100_000
MOST_KEPT = 64  # results of one run, such as graphs of a number of nodes
SIDE = 72  # of the grid that densities are drawn on
SCORE_SAMPLES = 32
RATE = 1e-2  # of refitting, which has seconds and begins far away
SPREAD = 1000  # rows, at most, whose encodings say how far latents go
MARGIN = 0.001  # quantile on both sides of the aggregate posterior beyond which a latent's slider ends
REFITS = {
    "mixture": lambda latents: priors.Mixture(latents, 50),
    "realnvp": priors.RealNVP,
    "hierarchical": priors.Hierarchical,
    "standard": priors.StandardNormal,
}

P = ParamSpec("P")
T = TypeVar("T")


def alone(method: Callable[Concatenate[Opened, P], T]) -> Callable[Concatenate[Opened, P], T]:
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
        place: a run, or its folder, which may still be training, or a model alone: model.zip, its folder, hf://user/name.
        data: where its data lies now; rows of a model alone.

    Raises:
        ValueError: there is neither.
    """

    def __init__(self, place: Path | Run, data: str | None = None) -> None:
        self._fixed = Source(place) if isinstance(place, Run) else None
        self.folder = place if isinstance(place, Path) else place.path or Path("model")
        if self._fixed is None and not exists(self.folder):
            try:
                Source.of(self.folder, data)  # a model alone does not grow: what is wrong with it is said at once
            except ValueError as error:
                raise ValueError(f"run={str(place)!r} holds no run and no model to show ({error})") from error
        self.data, self.lock = data, threading.RLock()
        self._source: Source | None = None
        self._stamp: float | None = None
        self._kept: dict[Any, Any] = {}
        self._refit: Shown | None = None

    @property
    def run(self) -> Run:
        """The run with its best weights as they are now.

        Raises:
            ValueError: it has none yet, or they are being written.
        """
        with self.lock:
            return self._current().run

    def _current(self) -> Source:
        if self._fixed is not None:
            return self._fixed
        now = stamp(self.folder)
        if self._source is None or now != self._stamp:
            self._source, self._kept, self._refit = Source.of(self.folder, self.data), {}, None
            self._stamp = now
        return self._source

    @property
    def top(self) -> str:
        """The name of the top group."""
        return self.run.model.groups[0]

    @property
    def drawer(self) -> Drawer:
        """How rows of the data are shown."""
        return self.once("drawer", lambda: Drawer.of(self.run.data))

    @property
    def shown(self) -> Shown:
        """The latents that pages show, and the classes above them."""
        return self.once("shown", lambda: Shown(self.run.model))

    def once(self, key: Any, compute: Callable[[], T]) -> T:
        """What a key stands for, computed once for the weights as they are; what was long not asked for is let go."""
        found = self._kept.pop(key) if key in self._kept else compute()
        self._kept[key] = found
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    def facts(self) -> dict[str, Any]:
        """What every page must know of the run; with ``error`` in place of most where it cannot be read now."""
        name = self.folder.resolve().name
        try:
            run = self.run
            shares = self._shares()
            groups = {group: list(z.shape[2:]) for group, z in self._sample().z.items()}
            return {
                "name": name,
                "data": Path(run.data.protocol.title).name,  # of own data a path
                "rows": len(run.data.test),
                "classes": list(run.data.protocol.classes),
                "groups": groups,
                "latents": int(np.prod(groups[self.shown.group])),
                "group": self.shown.group,
                "shares": None if shares is None else shares.tolist(),
                "drawer": self.drawer.facts(),
                "evaluation": self._evaluation(),
                "note": self._current().note,
                "refits": list(REFITS) if self._no_refit() is None else [],
                "no_refit": self._no_refit(),
            }
        except (ValueError, OSError) as error:
            return {"name": name, "error": str(error)}

    @alone
    def _shares(self) -> Tensor | None:
        return self.shown.shares()

    @alone
    def _no_refit(self) -> str | None:
        """Why no other prior can be fitted; None where one can."""
        if self.shown.values is not None:
            return (
                f"{self.top} is one class of {len(self.shown.values)}: its prior is their shares, which training has "
                f"fitted, and {self.shown.group} has a prior for each class. Another prior is another model: "
                "prioria train DATA --prior vamp"
            )
        if is_discrete(self.run.model.top.prior(None)):
            return f"{self.top} is bits, and the priors to choose from here are over real numbers"
        return None

    @alone
    def _sample(self) -> Any:
        return self.run.model.generate(1)

    def _evaluation(self) -> Any:
        file = self.folder / EVALUATION
        return read_json(file) if file.exists() else self._current().evaluation

    @alone
    def map(self, limit: int = 2000, number: int | None = None, latents: bool = False) -> dict[str, Any]:
        """Encodings of test rows in the plane, with labels.

        Args:
            limit: rows, at most and at even distances.
            number: of the class whose rows are shown; None for all.
            latents: in the plane of latents, also where rows of several classes are shown.
        """
        chart, (z, chances), rows = self.chart(number, latents), self.encoded(limit), self._rows(limit)
        numbers = chances.argmax(1)
        kept = (torch.ones_like(numbers) if number is None else numbers == number).nonzero()[:, 0]
        labels = self.run.data.test.labels
        flat = None if labels is None else labels[rows] if labels.dim() == 1 else labels[rows, 0]
        return {
            "points": chart.place(z[kept], numbers[kept]).tolist(),
            "rows": rows[kept].tolist(),
            "labels": None if flat is None else flat[kept].tolist(),
            "numbers": numbers[kept].tolist(),
            "names": list(chart.names),
        }

    @alone
    def column(self, column: int, limit: int = 2000) -> dict[str, Any]:
        """Values of one column of the rows of the map of all classes, in the units of the data."""
        x = self.drawer.values(self.run.data.test.batch(self._rows(limit)))
        if self.drawer.kind != "table" or not 0 <= column < x.shape[1]:
            raise ValueError(f"column={column}: rows are no table with so many columns")
        return {"rows": self._rows(limit).tolist(), "values": x[:, column].tolist()}

    def _rows(self, limit: int) -> Tensor:
        return evenly(len(self.run.data.test), max(1, min(limit, MOST_ROWS)))

    def encoded(self, limit: int = 2000) -> tuple[Tensor, Tensor]:
        """Latents (n, L) of rows under their likeliest class, and the chances of their classes (n, K)."""

        def compute() -> tuple[Tensor, Tensor]:
            x = self.run.data.test.batch(self._rows(limit)).to(device_of(self.run.model))
            z, chances = zip(*(self.shown.encoded(part) for part in x.split(1000)), strict=True)
            return torch.cat(z), torch.cat(chances)

        return self.once(("z", limit), compute)

    def chart(self, number: int | None, latents: bool = False) -> Chart:
        """The plane that rows of a class, or of all, stand in."""

        def compute() -> Chart:
            z, chances = self.encoded()
            numbers = chances.argmax(1)
            if number is None and not latents and self.shown.values is not None:
                return OfRows(lambda z, c: self.drawer.features(self.means(z, c)), z, numbers)
            return OfLatents(Plane.of(self._of_class(number), self.shown.group), self.shown, number)

        shares = self.shown.shares()
        if number is not None and not (shares is not None and 0 <= number < len(shares)):
            raise ValueError(
                f"class={number} is unknown; {self.top} has {0 if shares is None else len(shares)} classes"
            )
        return self.once(("chart", number, latents), compute)

    def _of_class(self, number: int | None) -> Tensor:
        """Encodings of rows whose likeliest class is the one; of all where they are too few to span a plane."""
        z, chances = self.encoded()
        own = z if number is None else z[chances.argmax(1) == number]
        return own if len(own) > 2 else z

    @alone
    def scores(self, limit: int = 2000) -> dict[str, Any]:
        """Log p(x) of the rows of the map, and log p(z) - log q(z) where the aggregate posterior has a density."""

        def compute() -> dict[str, Any]:
            x = self.run.data.test.batch(self._rows(limit))
            found = evaluate.log_likelihood(self.run.model, x, num_samples=SCORE_SAMPLES)
            z = self.encoded(limit)[0]
            log_q = self.shown.log_q(z, self._training(), None)
            ratio = None if log_q is None else (self.shown.log_p(z, None) - log_q).tolist()
            return {
                "rows": self._rows(limit).tolist(),
                "log_px": found.pointwise.tolist(),
                "log_ratio": ratio,
                "samples": SCORE_SAMPLES,
            }

        return self.once(("scores", limit), compute)

    def _training(self) -> Tensor:
        return self.run.data.train.tensor(500)

    @alone
    def row(self, row: int) -> dict[str, Any]:
        """One test row, its reconstruction, and of a table log p(x_d | z) of each column."""
        if not 0 <= row < len(self.run.data.test):
            raise ValueError(f"row={row}: the test split has rows 0 to {len(self.run.data.test) - 1}")
        x = self.run.data.test.batch(torch.tensor([row]))
        z, chances = self.shown.encoded(x.to(device_of(self.run.model)))
        px = self._px(self.shown.given(z, chances.argmax(1)))
        columns = by_column(px, x.to(device_of(self.run.model))) if self.drawer.kind == "table" else None
        return {
            "row": row,
            "x": self.drawer.to_text(x),
            "reconstruction": self.drawer.to_text(self.drawer.typical(px)[0].cpu()),
            "number": int(chances.argmax()),
            "columns": None if columns is None else columns[0, 0].tolist(),
        }

    @alone
    def decoded(self, **asked: Any) -> NDArray[Any]:
        """What points of a plane or latents of groups decode to, as the page draws it."""
        return self.drawer.values(self._asked(**asked))

    def _asked(
        self,
        points: Any = None,
        groups: dict[str, Any] | None = None,
        number: int | None = None,
        latents: bool = False,
    ) -> Tensor:
        if groups is not None:
            return self._generated({name: self._latents(name, z).unsqueeze(0) for name, z in groups.items()})
        return self.means(*self.lifted(points or [], number, latents))

    def lifted(self, points: Any, number: int | None, latents: bool = False) -> tuple[Tensor, Tensor]:
        """Latents (n, L) and classes (n,) of points of a plane."""
        return self.chart(number, latents).lift(read_rows("points", points, 2))

    def _latents(self, name: str, z: Any) -> Tensor:
        events = self.once("events", lambda: {group: z.shape[2:] for group, z in self._sample().z.items()})
        if name not in events:
            raise ValueError(f"group {name!r} is unknown; this model has {', '.join(events)}")
        found = read_rows("z", z, events[name].numel())
        return found.unflatten(-1, events[name]).to(device_of(self.run.model))

    def means(self, z: Tensor, numbers: Tensor) -> Tensor:
        """What latents (n, L) under classes (n,) decode to."""
        return torch.cat(
            [self._generated(self.shown.given(*part)) for part in zip(z.split(1000), numbers.split(1000), strict=True)]
        )

    def _generated(self, given: dict[str, Tensor]) -> Tensor:
        return self.drawer.typical(self._px(given))[0].cpu()

    def _px(self, given: dict[str, Tensor]) -> Distribution:
        # What is not given is drawn with the seed of every request: the same z gives the same picture.
        return self.run.model.generate(max(z.shape[1] for z in given.values()), **given).px

    @alone
    def resampled(self, groups: dict[str, Any], count: int = 8) -> dict[str, Any]:
        """Decodes the groups given again and again, all others and the values themselves drawn anew."""
        count = min(max(int(count), 1), 32)
        given = {
            name: self._latents(name, z)[:1].expand(count, *[-1] * len(z)).unsqueeze(0) for name, z in groups.items()
        }
        seed_generators(device_of(self.run.model), (int(torch.randint(2**31, ()).item()),))
        return {"pictures": self.drawer.to_text(self._generated(given))}

    @alone
    def latents(self) -> dict[str, Any]:
        """Mean and range of every latent of each group over the encodings; of a class its values and their shares."""
        found, shares = [], self.shown.shares()
        x = self.run.data.test.batch(self._rows(SPREAD)).to(device_of(self.run.model))
        for name, _, mean in self.run.model.at_means(x):
            if shares is not None and name == self.top:
                assert self.shown.values is not None
                found.append({"name": name, "values": self.shown.values.flatten(1).tolist(), "shares": shares.tolist()})
                continue
            z = self.encoded()[0] if name == self.shown.group else mean[0].flatten(1).cpu()
            low, high = (z.quantile(share, 0) for share in (MARGIN, 1 - MARGIN))
            spread = {"mean": z.mean(0), "low": low, "high": high, "sd": z.std(0)}
            found.append({"name": name} | {key: value.tolist() for key, value in spread.items()})
        return {"groups": found}

    @alone
    def density(self, refitted: bool = False, number: int | None = None) -> dict[str, Any]:
        """Log p(z) and log q(z) on a grid of the plane; with more than two latents, on its plane through their mean.

        Args:
            refitted: of the prior that was fitted from the page.
            number: of a class; None sums over all.
        """
        if refitted and self._refit is None:
            raise ValueError("no prior has been refitted yet")
        kept = self._refit if refitted else None
        return self.once(("density", number, id(kept)), lambda: self._density(kept, number))

    def _density(self, refit: Shown | None, number: int | None) -> dict[str, Any]:
        shown = self.shown if refit is None else refit
        plane = Plane.of(self._of_class(number), shown.group)
        draws = self.shown.draws(1000, number)
        far = plane.to_plane(draws - draws.mean(0)).norm(dim=1)
        # Where encodings and draws of the run's own prior are, but for the farthest draws.
        x, y, z = plane.grid(torch.cat([self._of_class(number), draws[far <= far.quantile(0.97)]]), SIDE)
        log_q = self.once(("log q", number), lambda: self.shown.log_q(z, self._training(), number))
        found = {
            "x": x.tolist(),
            "y": y.tolist(),
            "side": SIDE,
            "names": list(plane.names),
            "bound": is_bound(shown.prior(number or 0)),
            "points": plane.to_plane(self._of_class(number)).tolist(),
        }
        if log_q is None:
            return found | {"log_p": None, "log_q": None}
        samples = plane.to_plane(shown.draws(1000, number)).tolist()
        return found | {"log_p": shown.log_p(z, number).tolist(), "log_q": log_q.tolist(), "samples": samples}

    def refit(self, prior: str, steps: int = 500) -> dict[str, Any]:
        """Fits another prior to the frozen encoder, in memory: what it was and what it is."""
        if why := self._no_refit():
            raise ValueError(why)
        if prior not in REFITS:
            raise ValueError(f"prior={prior!r} is unknown; use one of {', '.join(REFITS)}")
        with self.lock:
            self.map()
            made = REFITS[prior](self.encoded()[0].shape[1])
            found = refit_prior(
                self.run.model, made, self.run.data, steps=min(max(int(steps), 1), 5000), learning_rate=RATE
            )
            with measuring(found.model):
                self._refit = Shown(found.model)
            return {"before": found.before.to_json(), "after": found.after.to_json(), "text": str(found)}
