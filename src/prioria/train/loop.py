"""The training loop, and everything that it must remember to go on after it was stopped at any moment."""

from __future__ import annotations

import json
import shlex
import signal
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from prioria import storage
from prioria.atomic import own_folder
from prioria.conditionals import check_holes, masking
from prioria.data import Dataset, carried, check_likelihood
from prioria.evaluate import aggregate_draws
from prioria.objectives import Progress
from prioria.storage import first_fault
from prioria.train import callbacks, checkpoint, processes, randomness, tracking
from prioria.train.callbacks import Callback, Epoch
from prioria.train.display import Display
from prioria.train.halves import Halves
from prioria.train.log import Line, Meter, Metrics
from prioria.train.optimizer import Average, Optimizer
from prioria.train.options import Interval, Options
from prioria.train.order import Batches, steps_per_epoch
from prioria.train.place import Place
from prioria.train.run import BEST, Run, clear
from prioria.train.shown_rows import show_rows
from prioria.train.step import Step, means
from prioria.train.together import LEAST, Together, share, told
from prioria.train.validation import Best, validate
from prioria.train.watch import REMEDIES, NonFiniteLoss, Signals, culprit

DRAWS = 5000  # rows at most whose posteriors say where latents are

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass
class State:
    """Where a run is: what a checkpoint holds besides tensors.

    Attributes:
        epoch: epochs done.
        batch: batches done in the epoch under way.
        step: steps done.
        stale: validations since the last best one, after every schedule has ended.
        lines: lines of ``metrics.jsonl``.
        digest: SHA-256 of these lines.
        seconds: time spent.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    stale: int = 0
    lines: int = 0
    digest: str = ""
    seconds: float = 0.0

    @classmethod
    def parse(cls, values: dict[str, Any], path: Path) -> State:
        """Returns the state that a checkpoint holds; ValueError where it is none."""
        try:
            found = TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            raise ValueError(f"path={str(path)!r} is not a checkpoint of prioria ({first_fault(error)})") from error
        if min(found.epoch, found.batch, found.step, found.stale, found.lines, found.seconds) < 0:
            raise ValueError(f"path={str(path)!r} is not a checkpoint of prioria (a count below zero)")
        return found


class Training:
    """A training under way."""

    def __init__(
        self,
        step: Step,
        data: Dataset,
        options: Options,
        folder: Path | None,
        *,
        accelerator: Accelerator,
        progress: bool,
        trackers: Sequence[Any] = (),
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.step, self.data, self.options, self.folder = step, data, options, folder
        self.accelerator, self.trackers, self.callbacks = accelerator, tuple(trackers), tuple(callbacks)
        self.stopped = False
        step.model.protocol = carried.carried(data)
        self.rows = data.train.to(accelerator.device)
        self.alone = accelerator.num_processes == 1
        self.wrapped = accelerator.prepare_model(step if self.alone else Together(step, accelerator))
        if options.compile is True:
            self.wrapped = processes.compiled(self.wrapped, accelerator.device)
        self.optimizer = Optimizer(step, options)
        self.halves = Halves(step.model, options, accelerator)
        self.average = None if options.ema is None else Average(step.model, options.ema)
        self.state, self.meter, self.best = State(), Meter(accelerator.device), Best(step.model)
        self.metrics = Metrics(folder if accelerator.is_main_process else None)
        self.signals, self.place = Signals(), Place(None)
        self.display = Display(
            progress and accelerator.is_main_process, epochs=options.epochs, steps=self.total_steps()
        )
        self.interval = Interval.parse(options.checkpoint_every)
        self.saved_at, self.saved_step = time.monotonic(), 0

    def run(self) -> Run:
        """Trains until all epochs are done or patience is at its end; the model then holds its best weights."""
        total = self.total_steps()
        last = Progress(step=total - 1, epoch=self.options.epochs - 1, total_steps=total)
        said = self.step.objective.unfinished(last) if total else None
        if said and self.accelerator.is_main_process:
            warnings.warn(said, stacklevel=2)
        self.step.train()
        masked = masking(self.step.model, self.options.mask_rate)
        self.place = Place(self.folder if self.accelerator.is_main_process else None)
        with (
            self.signals.watched(),
            self.display.running(self.state.step),
            self._tracked(),
            self.halves.in_use(),
            masked,
        ):
            while self.state.epoch < self.options.epochs and not (self.out_of_patience or self.stopped):
                self._epoch()
        self.save()
        self.step.eval()
        self.best.restore()
        run = Run(self.step.model, self.data, self.metrics.lines, self.folder)
        self._conclude(run.best)
        return run

    def _conclude(self, best: Line | None) -> None:
        if best is not None:
            terms = {name: torch.tensor(value) for name, value in best.items() if isinstance(value, float)}
            verdict = self.step.objective.verdict(terms)
            self.display.say(f"best weights: epoch {best['epoch']}" + (f"; {verdict}" if verdict else ""))
            if doubt := self.step.objective.doubt(terms):
                warnings.warn(doubt, stacklevel=2)

    @contextmanager
    def _tracked(self) -> Iterator[None]:
        if self.accelerator.is_main_process:
            made: list[Any] = tracking.made(self.trackers, self.folder, self.state.step)
            self.accelerator.log_with = made
        self.accelerator.init_trackers(tracking.PROJECT)
        device, epochs = self.accelerator.device, self.options.epochs
        if self.accelerator.trackers:
            self.callbacks += (tracking.Pictures(self.accelerator.trackers, self.data, epochs, device),)
        with self.place.quiet():
            try:
                yield
            finally:
                for tracker in self.accelerator.trackers:
                    with nullcontext() if self.place.is_there() else suppress(OSError):
                        tracker.finish()

    @property
    def out_of_patience(self) -> bool:
        """Whether training ends before its last epoch."""
        return self.options.patience is not None and self.state.stale >= self.options.patience

    def _epoch(self) -> None:
        options, state = self.options, self.state
        order = {"seed": options.seed, "epoch": state.epoch, "one_size": options.compile is True}
        batches = Batches(self.data.train, options.batch_size, **order)
        while state.batch < len(batches):
            self._step(batches[state.batch])
            state.batch += 1
            state.step += 1
            if state.step % options.log_every == 0 or state.batch == len(batches):
                self._log("train", self.meter.take() | self.step.objective.status())
            self.display.advance()
            self._pause()
        self._log("validation", self._validated())
        train, validation = self.metrics.last("train"), self.metrics.last("validation")
        self.display.epoch(train, validation, self.metrics.best or validation, self.step.objective.status())
        state.epoch, state.batch = state.epoch + 1, 0
        self._call_back(Epoch(self.step.model, state.epoch, train, validation))
        self._pause()

    def _call_back(self, epoch: Epoch) -> None:
        """Lets callbacks see the epoch; what one of them raises costs nothing that was trained."""
        weights = nullcontext() if self.average is None else self.average.in_place()
        try:
            asked = callbacks.call(self.callbacks, epoch, self.accelerator.device, weights)
        except BaseException:
            self.save()
            raise
        self.stopped = self._any(asked)[0]
        if self.stopped:
            self.display.say(f"stopped by a callback after epoch {epoch.number}")

    def _step(self, rows: Tensor) -> None:
        before = randomness.capture_torch(self.accelerator.device)
        accelerator, progress = self.accelerator, self.progress()
        self._standardize(progress)
        x = share(self.rows, rows, accelerator).to(accelerator.device)
        with self.halves.step(), told(self.step.model, rows, accelerator):
            loss = self.wrapped(x, progress) if self.alone else self.wrapped(x, progress, len(rows))
            accelerator.backward(loss.surrogate)
        norm = self.optimizer.prepare(self.step.objective.frozen(self.step.model))
        terms = self._reduced(means(loss))
        if not isfinite((terms["loss"] + norm).item()):
            self._give_up(rows, before, loss_is_finite=isfinite(terms["loss"].item()))
        self.optimizer.step(self.options.rate(progress.step, self.total_steps()))
        self.step.objective.update(terms, progress)
        if self.average is not None:
            self.average.update(progress.step)
        self.meter.add(terms | {"gradient_norm": norm})

    def _standardize(self, progress: Progress) -> None:
        """Lets priors that await draws of their aggregate posterior have them, once nothing is held or warming up."""
        if progress.epoch < 1 or not self.step.objective.settled(progress):
            return
        model = self.step.model
        for name, stage in model.stages.items():
            prior: Any = stage.p
            if getattr(prior, "awaits_draws", False):
                prior.set(aggregate_draws(model, self.rows, seed=self.options.seed, group=name, limit=DRAWS))

    def progress(self) -> Progress:
        return Progress(step=self.state.step, epoch=self.state.epoch, total_steps=self.total_steps())

    def _beginning(self) -> Progress:
        """Returns where the epoch under way began, also in a run that was resumed in the middle of it."""
        epoch, total = self.state.epoch, self.total_steps()
        return Progress(step=epoch * total // self.options.epochs, epoch=epoch, total_steps=total)

    def total_steps(self) -> int:
        return self.options.epochs * steps_per_epoch(len(self.data.train), self.options.batch_size)

    def _reduced(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns the terms to the last bit alike in all processes, whatever their devices: multipliers follow them."""
        if self.alone:
            return terms
        reduced = self.accelerator.reduce(torch.stack(list(terms.values())), "mean")
        assert isinstance(reduced, Tensor)
        return dict(zip(terms, reduced, strict=True))

    def _validated(self) -> Line:
        with nullcontext() if self.average is None else self.average.in_place():
            # as many rows as a step has, at most: what takes a batch for a part of N rows finds no more than N
            rows = min(self.options.batch_size, len(self.data.train))
            terms = validate(self.step, self.data.validation, rows, self.accelerator)
            rank = [max(self.step.objective.violation(terms), 0.0), terms["selection"].item()]
            better = self.best.offer(rank)
        settled = self.step.objective.settled(self._beginning())
        self.state.stale = 0 if better or not settled else self.state.stale + 1
        return {name: value.item() for name, value in terms.items()} | {"best": better}

    def _log(self, split: str, line: Line) -> None:
        self.place.check()
        line = {"split": split, "epoch": self.state.epoch + 1, "step": self.state.step} | line
        self.metrics.append(line)
        self.accelerator.log(tracking.curves(line), step=self.state.step)

    def _pause(self) -> None:
        """Between two steps: writes a checkpoint when it is time, and stops when asked to."""
        seconds, steps = time.monotonic() - self.saved_at, self.state.step - self.saved_step
        due, stop = self._any(self.interval.passed(seconds=seconds, steps=steps), self.signals.received is not None)
        if due or stop:
            self.save()
        if stop:
            self._say_farewell()
            signal.raise_signal(self.signals.received or signal.SIGINT)

    def _say_farewell(self) -> None:
        how = "" if self.folder is None else f"; go on with:  prioria train --resume {shlex.quote(str(self.folder))}"
        self.display.say(f"stopped after {self.state.step} steps{how}")

    def _any(self, *mine: bool) -> list[bool]:
        """Whether any process has each flag set, so that all do the same."""
        if self.alone:
            return list(mine)
        total = self.accelerator.reduce(torch.tensor(mine, device=self.accelerator.device).float(), "sum")
        assert isinstance(total, Tensor)
        return (total > 0).tolist()

    def _give_up(self, rows: Tensor, before: dict[str, Tensor], *, loss_is_finite: bool) -> None:
        """Saves the state before the failed step and its batch, and raises; drawing the same noise again tells why."""
        device = self.accelerator.device
        randomness.restore_torch(before, device)
        x = share(self.rows, rows, self.accelerator).to(device)
        with self.accelerator.autocast():
            found = culprit(self.step, x, loss_is_finite=loss_is_finite)
        randomness.restore_torch(before, device)
        self.save()
        message = f"epoch {self.state.epoch + 1}, step {self.state.step + 1}: {found}; {REMEDIES}"
        if self.folder is not None:
            path = self.folder / f"batch-{self.accelerator.process_index}.safetensors"
            mine = rows[self.accelerator.process_index :: self.accelerator.num_processes]
            storage.write_tensors(path, {"x": x, "rows": mine} | before)
            message += f". The batch is in {path}, the weights before it are in the run"
        raise NonFiniteLoss(message)

    def check(self) -> None:
        """Checks that this model can be trained so on this data, before anything is written.

        Raises:
            ValueError: too small a batch for the processes, weights that are not float32, an objective that cannot
                train the model, masks where encoder or likelihood leave no holes out, batch normalization in what a
                VampPrior shares, a shape that is wrong, or a likelihood that has no probability for the data.
        """
        self._check_shares()
        self._check_precision()
        self._check_likelihood()
        for name, stage in self.step.model.stages.items():
            stage.check_training(self.step.model.encoder_of(name))
        x = self.data.train.batch(torch.arange(min(2, len(self.data.train))))
        if self.options.mask_rate:
            check_holes(self.step.model, torch.full_like(x, torch.nan).to(self.accelerator.device))
        with self.accelerator.autocast():
            self.display.say(self.step.model.check(x.to(self.accelerator.device)))
        self.step.objective.check(self.step.model, self.data.train)

    def adopt(self, options: Options) -> None:
        """Takes options in which what was "auto" is decided."""
        self.options, self.halves = options, Halves(self.step.model, options, self.accelerator)

    def begin(self, anew: bool) -> None:
        """Removes what an earlier run left in the folder, and writes the checkpoint of step zero.

        Args:
            anew: no earlier phase belongs to this run: what one has learned goes, too.
        """
        if self.folder is not None and self.accelerator.is_main_process:
            clear(self.folder, anew)
        show_rows(self.step.model, self.data.train, self.accelerator.device)
        self.save()

    def _check_shares(self) -> None:
        fewest = len(self.data.train) // steps_per_epoch(len(self.data.train), self.options.batch_size)
        if not self.alone and fewest < LEAST * self.accelerator.num_processes:
            raise ValueError(
                f"batch_size={self.options.batch_size} leaves steps of {fewest} rows for "
                f"{self.accelerator.num_processes} processes, and each takes {LEAST} or more; make it larger"
            )

    def _check_precision(self) -> None:
        kinds = {each.dtype for each in self.step.model.parameters() if each.is_floating_point()}
        if kinds and torch.float32 not in kinds:  # a network may convert for itself; one in float32 takes the data
            found = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
            raise ValueError(f"model has weights in {found}, and data are float32; train model.float()")

    def _check_likelihood(self) -> None:
        likelihood, data = self.step.model.likelihood, self.data
        if legal_as := vars(type(likelihood)).get("legal_as"):  # whoever wrote their own class knows what it is for
            check_likelihood(data.protocol, legal_as)
        if check_values := getattr(likelihood, "check_values", None):
            check_values(max(part.maximum() for part in (data.train, data.validation, data.test)), data.name)

    def save(self) -> None:
        """Writes a checkpoint, then the best weights as a model of their own, if there is a folder."""
        now = time.monotonic()
        self.state.seconds += now - self.saved_at
        self.saved_at, self.saved_step = now, self.state.step
        self.state.lines, self.state.digest = len(self.metrics.lines), self.metrics.digest
        if self.folder is None:
            return
        self.place.check()
        parts = {name: part.state_dict() for name, part in self._parts().items()}  # gathered from all processes
        if self.accelerator.is_main_process:
            checkpoint.write(self.folder, parts, asdict(self.state))
            self.best.export(own_folder(self.folder, BEST))
        self.accelerator.wait_for_everyone()

    def load(self, folder: Path) -> None:
        """Takes back the last checkpoint; lines that were logged after it are cut off."""
        if self.accelerator.is_main_process:
            checkpoint.sweep(folder)
        parts, state = checkpoint.read(folder)
        path = folder / checkpoint.NAME
        self.state = State.parse(state, path)
        for name, part in self._parts().items():
            with checkpoint.fitting(path, name):
                part.load_state_dict(parts.get(name, {}))
        self.metrics.load(folder, self.state.lines, self.state.digest)
        self.saved_step = self.state.step

    def _parts(self) -> Mapping[str, checkpoint.Stateful]:
        """Everything that holds tensors, in the order in which it is taken back."""
        again = (self.options.seed, self.accelerator.process_index, self.state.step)
        average = {} if self.average is None else {"average": self.average}
        parts = {"step": self.step, "optimizer": self.optimizer, "meter": self.meter, "best": self.best}
        return parts | average | {"random": randomness.Generators(self.accelerator, again)}
