"""Networks on top of a start, kept only where validation rows say that they help."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from prioria.conditionals import hidden
from prioria.data import Dataset, carried
from prioria.data import load as load_data
from prioria.data.base import evenly
from prioria.evaluate.record import plus_minus
from prioria.evaluate.sampling import device_of
from prioria.model import VAE, evaluation_mode
from prioria.objectives import Enumerated, Objective
from prioria.storage import BEST, write_text
from prioria.train import processes
from prioria.train import run as runs
from prioria.train.display import Display
from prioria.train.log import NAME as METRICS
from prioria.train.log import Line
from prioria.train.optimizer import Average
from prioria.train.options import Options
from prioria.train.order import steps_per_epoch
from prioria.train.randomness import fork
from prioria.train.run import Run
from prioria.train.step import Step, means

STEPS, BATCH, CLASSES, DRAWS = 3000, 128, 4, 20
WARM_UP, CLIP, EMA, DECAY = 50, 10.0, 0.99, 1e-2
EVERY, PATIENCE = 50, 8  # steps between two validations, and how many of these without a better one
LEAST = 0.005  # nats that a better one must gain for patience to begin anew
AHEAD = 10  # validations whose gain is taken for that of as many to come, where there is a rival
CHECKED = 1000  # validation rows, at most, that say when to stop
TILE = 200  # rows that are scored at once
CONFIDENCE = 0.975  # at which the quantile of Student's t says how much wider an error of few rows is


@dataclass(frozen=True)
class Improvement:
    """What training gained over the start on the validation rows, in nats per row.

    Attributes:
        run: the training; its model, and its folder where there is one, hold the weights that were kept.
        gain: mean difference of log p(x) between the trained model and the start.
        standard_error: of that paired difference, over rows.
        values: log p(x) of each validation row (N,), of the model that is kept.
        begun: what the model began as, in words.
        chosen: sizes of the start that the validation rows chose, by name.
        specification: what ``run.json`` holds besides.
    """

    run: Run
    gain: float
    standard_error: float
    values: Tensor = field(repr=False)
    begun: str = "mixture"
    chosen: Mapping[str, Any] = field(default_factory=dict)
    specification: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def reached(self) -> float:
        """Mean log p(x) of the validation rows, of the model that is kept."""
        return float(self.values.mean())

    @property
    def kept(self) -> bool:
        """Whether the networks were kept: their gain exceeds its standard error."""
        return self.gain > self.standard_error

    def beats(self, other: Improvement) -> bool:
        """Whether it was kept and is ahead of another one of the same rows by more than the standard error of that."""
        gain, error = _paired(self.values - other.values)
        return self.kept and gain > error

    def __str__(self) -> str:
        found = f"{plus_minus(self.gain, error=self.standard_error, sign=True)} nats per validation row"
        if self.kept:
            return f"networks improve on the {self.begun} that they started from: {found}"
        return f"networks did not improve on the {self.begun} that they started from: {found}; the start is kept"

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Improvement:
        """Writes the run and returns it with its folder.

        Raises:
            ValueError: the folder holds a run, and it is not to be overwritten.
        """
        place = _cleared(folder, overwrite)
        _write(place, self)
        return replace(self, run=replace(self.run, path=place))


def improve(
    model: VAE,
    data: Any,
    *,
    objective: Objective | None = None,
    decide: Objective | None = None,
    measure: Objective | None = None,
    spread: Callable[[Tensor, Tensor], Tensor] | None = None,
    mask_rate: float = 0.0,
    rival: float = -math.inf,
    begun: str = "mixture",
    chosen: Mapping[str, Any] | None = None,
    steps: int = STEPS,
    learning_rate: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    facts: dict[str, Any] | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Improvement:
    """Trains a model that begins at a start, and puts the start back where the validation rows gain nothing.

    AdamW, whose decay pulls at the weights of linear layers alone, 50 steps of warm-up and half a cosine, an average of
    the weights, a validation every 50 steps and patience for 8 of them without .005 nats of progress. A loss that is
    not finite ends training; the best weights before it, or the start, are what is left.

    Args:
        model: what :func:`prioria.starts.build` returned; it holds the better weights afterwards.
        data: the data set.
        objective: what is minimized; the sum over the four likeliest classes by default.
        decide: what validation rows are scored by to say when to stop; the objective, with four draws by default.
        measure: whose value is minus log p(x): it says what is kept; the sum over all classes, of 20 draws each, by
            default.
        spread: moves rows by noise from -1/2 to 1/2, anew in every step, as :class:`prioria.starts.Spread` does.
        mask_rate: share of entries that are hidden of each row, on average, of validation rows too.
        rival: mean log p(x) of the validation rows that another model has; training ends early where it will not do.
        begun: what the model began as, in words.
        chosen: sizes of the start, by name, for the record.
        steps: of training, at most.
        learning_rate: of AdamW.
        seed: of rows and noise.
        out: folder of the run; it holds the start from the first moment on.
        overwrite: replace a run in ``out``.
        facts: more entries of ``run.json``, as JSON values.
        device: where networks are trained; "auto" is the CPU here, which small networks leave the soonest.
        progress: say on standard error how it goes.

    Raises:
        ValueError: the objective cannot train the model, there is no such device, or ``out`` holds a run.
    """
    folder = None if out is None else _cleared(out, overwrite)
    dataset = load_data(data)
    model.protocol = carried.carried(dataset)
    if objective is None:
        objective, decide = Enumerated(CLASSES), decide or Enumerated(CLASSES, num_samples=4)
    model.to(processes.device_of_small(device))
    objective.check(model, dataset.train.to(device_of(model)))
    measure = measure or Enumerated(num_samples=DRAWS)
    scores = {"decide": decide or objective, "measure": measure}
    rows = {"spread": spread, "mask_rate": mask_rate, "seed": seed}
    climb = _Climb(model, dataset, objective, **scores, **rows)
    options = Options(
        epochs=max(1, math.ceil(steps / steps_per_epoch(len(dataset.train), BATCH))),
        batch_size=BATCH,
        learning_rate=learning_rate,
        schedule="cosine",
        gradient_clip=CLIP,
        ema=EMA,
        mask_rate=mask_rate,
        seed=seed,
        device=device,
    )
    specification = runs.specify(climb.step, dataset, options) | (facts or {})
    found = Improvement(
        Run(model, dataset, climb.history, folder),
        0.0,
        math.inf,
        climb.before,
        begun,
        chosen or {},
        specification=specification,
    )
    if folder is not None:
        _write(folder, found)
    with fork(climb.device):
        torch.manual_seed(seed)
        gained = climb.run(steps, learning_rate, rival, Display(progress, epochs=options.epochs, steps=steps))
    gain, error = _paired(gained)
    found = replace(found, gain=gain, standard_error=error)
    if found.kept:
        found = replace(found, values=climb.before + gained)
    else:
        climb.restore()
    if folder is not None:
        _write(folder, found)
    return found


def _paired(differences: Tensor) -> tuple[float, float]:
    """Returns a mean and its standard error, wider where few rows say it: as Student's t is beyond the normal."""
    count = len(differences)
    if count < 2:
        return float(differences.mean()), math.inf
    from scipy.stats import norm, t

    wider = float(t.ppf(CONFIDENCE, count - 1) / norm.ppf(CONFIDENCE))
    return float(differences.mean()), wider * float(differences.std()) / math.sqrt(count)


def _cleared(out: str | Path, overwrite: bool) -> Path:
    folder = Path(out)
    if runs.exists(folder) and not overwrite:
        raise ValueError(f"out={str(out)!r} holds a run; pass overwrite=True, or choose another folder")
    runs.clear(folder, anew=True)
    return folder


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


class _Checks:
    """When to stop: no progress for a while, or none that would catch up with a rival."""

    def __init__(self, loss: float, start: float, rival: float) -> None:
        self.losses, self.anchor, self.stale = [loss], loss, 0
        self.asked = rival - start  # nats that must be gained

    def end(self, best: float) -> bool:
        """Takes the least loss so far, and says whether that was the last step."""
        self.losses.append(best)
        self.stale += 1
        if best < self.anchor - LEAST:
            self.anchor, self.stale = best, 0
        gained, recent = self.losses[0] - best, self.losses[-1 - AHEAD :][0] - best
        return self.stale == PATIENCE or (len(self.losses) > AHEAD and gained + recent < self.asked)


class _Climb:
    """Training by steps, and what it must remember."""

    def __init__(
        self,
        model: VAE,
        data: Dataset,
        objective: Objective,
        *,
        decide: Objective,
        measure: Objective,
        spread: Callable[[Tensor, Tensor], Tensor] | None,
        mask_rate: float,
        seed: int,
    ) -> None:
        self.model, self.step, self.decided = model, Step(model, objective), Step(model, decide)
        self.measure, self.data, self.seed = measure, data, seed
        self.spread, self.mask_rate, self.device = spread, mask_rate, device_of(model)
        noise = torch.Generator().manual_seed(seed + 1)
        self.held = self._spread(data.validation.tensor(), noise)
        self.few = self.held[evenly(len(self.held), CHECKED)]
        self.start = self._weights()
        self.kept, self.history = self.start, []
        with evaluation_mode(self.model):
            self.best = self._check(0)
            self.before = self._log_likelihood()

    def run(self, steps: int, learning_rate: float, rival: float, display: Display) -> Tensor:
        """Trains and returns what log p(x) of each validation row gained (N,), the model at its best weights."""
        optimizer = torch.optim.AdamW(_groups(self.model), lr=learning_rate, betas=(0.9, 0.98), fused=True)
        average, checks = Average(self.model, EMA), _Checks(self.best, float(self.before.mean()), rival)
        self.model.train()
        with display.running(0):
            for number, x in enumerate(self._batches(steps)):
                rate = min(1.0, (number + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * number / steps))
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * rate
                if not self._step(x, optimizer, number):
                    break
                average.update(number)
                display.advance()
                if (number + 1) % EVERY == 0 or number + 1 == steps:
                    with average.in_place(), evaluation_mode(self.model):
                        self._check(number + 1)
                    display.epoch(*self._told(), {})
                    if checks.end(self.best):
                        break
        self.model.load_state_dict(self.kept)
        with evaluation_mode(self.model):
            after = self.before if self.kept is self.start else self._log_likelihood()
        self.model.eval()
        return after - self.before

    def _told(self) -> tuple[Line, Line, Line]:
        """The last lines of the training and of the validation rows, and the best of these."""
        last = {line["split"]: line for line in self.history}
        return last["train"], last["validation"], [line for line in self.history if line.get("best")][-1]

    def restore(self) -> None:
        """Puts the start back; the validation of step 0 is then that of the best weights."""
        self.model.load_state_dict(self.start)
        for line in self.history:
            if "best" in line:
                line["best"] = line["step"] == 0

    def _batches(self, steps: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        for x in islice(self.data.train.draws(BATCH, generator), steps):
            yield self._spread(x, generator)

    def _spread(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if self.spread is not None:
            x = self.spread(x, torch.rand(x.shape, generator=generator) - 0.5)
        return (hidden(x, self.mask_rate, generator) if self.mask_rate else x).to(self.device)

    def _step(self, x: Tensor, optimizer: torch.optim.Optimizer, number: int) -> bool:
        """Takes a step, unless loss or gradient is not finite."""
        loss = self.step(x)
        optimizer.zero_grad()
        loss.surrogate.backward()
        norm = clip_grad_norm_(self.model.parameters(), CLIP)
        terms = {name: value.item() for name, value in means(loss).items()} | {"gradient_norm": norm.item()}
        if not math.isfinite(terms["loss"] + terms["gradient_norm"]):
            return False
        optimizer.step()
        if number % EVERY == 0:
            self._log("train", number + 1, terms)
        return True

    @torch.no_grad()
    def _check(self, number: int) -> float:
        """Returns the loss on validation rows, always with the same noise, and keeps the weights if it is the least."""
        sums: dict[str, float] = {}
        with fork(self.device):
            torch.manual_seed(0)
            for tile in self.few.split(TILE):
                loss = self.decided(tile)
                for name, value in means(loss).items():
                    sums[name] = sums.get(name, 0.0) + value.item() * len(tile) / len(self.few)
        found, best = sums["loss"], getattr(self, "best", math.inf)
        better = found < best or number == 0
        self._log("validation", number, sums | {"selection": found, "best": better})
        if better:
            self.best, self.kept = found, self.start if number == 0 else self._weights()
        return found

    @torch.no_grad()
    def _log_likelihood(self) -> Tensor:
        """Estimates log p(x) (N,) of validation rows, the noise of the same seed each time."""
        found = []
        with fork(self.device):
            torch.manual_seed(0)
            for tile in self.held.split(TILE):
                found.append(-self.measure(self.measure.draw(self.model, tile)).per_example)
        return torch.cat(found).cpu().double()

    def _log(self, split: str, number: int, terms: dict[str, Any]) -> None:
        epoch = max(1, math.ceil(number / steps_per_epoch(len(self.data.train), BATCH)))
        line: Line = {"split": split, "epoch": epoch, "step": number} | terms
        self.history.append(line)

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}


def _groups(model: nn.Module) -> list[dict[str, Any]]:
    """Decay is for weights of linear layers: biases, and what a start fitted, are left alone."""
    pulled = {id(each.weight) for each in model.modules() if isinstance(each, nn.Linear)}
    trained = [each for each in model.parameters() if each.requires_grad]
    weights = [each for each in trained if id(each) in pulled]
    others = [each for each in trained if id(each) not in pulled]
    return [{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]


def _write(folder: Path, found: Improvement) -> None:
    lines = "".join(json.dumps(line) + "\n" for line in found.run.history)
    start = {
        "begun": found.begun,
        "chosen": dict(found.chosen),
        "kept": found.kept,
        "gain": _number(found.gain),
        "standard_error": _number(found.standard_error),
        "metrics": hashlib.sha256(lines.encode()).hexdigest(),
    }
    found.run.model.save(folder / BEST)
    write_text(folder / METRICS, lines)
    runs.write_specification(folder, {**found.specification, "start": start})
