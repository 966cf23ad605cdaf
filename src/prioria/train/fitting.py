"""fit and resume: what a user calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from prioria.data import load as load_data
from prioria.model import VAE
from prioria.objectives import Objective
from prioria.train import callbacks as called
from prioria.train import checkpoint, choice, origin, processes, randomness, run, tracking
from prioria.train.callbacks import Callback
from prioria.train.loop import Training
from prioria.train.options import Options, takes_options
from prioria.train.run import Run
from prioria.train.shown_rows import show_rows
from prioria.train.step import Step

if TYPE_CHECKING:
    from accelerate import Accelerator


@takes_options
def fit(
    model: VAE,
    objective: Objective,
    data: Any,
    *,
    out: str | Path | None = None,
    trackers: Sequence[Any] = ("tensorboard",),
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    overwrite: bool = False,
    resume: bool = False,
    **options: Any,
) -> Run:
    r"""Minimizes an objective over the training data and returns the model with its best weights.

    The best weights have the least validation loss at the end of every schedule, terms that couple a batch left out.
    Under ``accelerate launch`` or ``torchrun`` each process draws latents for its share of every batch, and all score
    the whole batch, so that the steps are those of one process, terms that couple a batch included. The random numbers
    of the caller are left as they were.

    Args:
        model: what is trained, in place.
        objective: what is minimized.
        data: a name ("mnist-static"), a path, an array, or a :class:`prioria.data.Dataset`.
        **options:
        out: folder of the run; None writes nothing.
        trackers: where metrics go besides ``metrics.jsonl``, and of pictures reconstructions and samples:
            "tensorboard", "wandb", "mlflow", "aim" (none of these without ``out``), or trackers of accelerate.
        callbacks: functions that are called with a :class:`prioria.train.Epoch` after every epoch: they may look at the
            model and its metrics, and stop. Random numbers that they draw change nothing.
        progress: say on standard error how it goes.
        overwrite: replace a run in ``out``.
        resume: go on with the run in ``out`` if there is one, with this model's own modules.

    Raises:
        ValueError: an option is out of range, there is nothing to compile with, the objective cannot train this model,
            a VampPrior shares batch normalization, the likelihood has no probability for the data, a shape is wrong,
            ``out`` holds a run and neither ``overwrite`` nor ``resume`` says what to do with it, or another process
            trains there.
        NonFiniteLoss: the loss or a gradient is not finite.

    Example:
        >>> from prioria import VAE, likelihoods, nets, objectives, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(64, 16, gated_output=True),
        ...     posterior=posteriors.Gaussian(16, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 16, 64)),
        ... )
        >>> run = fit(model, objectives.ELBO(), "digits", epochs=1, progress=False)
        >>> run.best["epoch"]
        1
    """
    chosen = Options(**options)
    shown = _shown(progress, trackers, callbacks)
    if overwrite and resume:
        raise ValueError("overwrite=True and resume=True contradict each other; give one")
    dataset, step = load_data(data), Step(model, objective)
    folder = None if out is None else processes.place(out)
    going_on = folder is not None and run.exists(folder) and not overwrite
    if folder is not None and going_on:
        if not resume:
            _check_free(folder)
        before = run.read_specification(folder)
        chosen = choice.stored(chosen, before["options"])
        run.check_same(folder, before, run.specify(step, dataset, chosen))
    chosen = choice.with_precision(chosen, model)
    accelerator = processes.accelerator(bf16=chosen.precision == "bf16", device=chosen.device)
    with _own_randomness(chosen, accelerator):
        training = Training(step, dataset, chosen, folder, accelerator=accelerator, **shown)
        if not going_on:
            training.check()
            chosen = choice.with_compilation(training)
            training.adopt(chosen)
        specification = {} if folder is None else run.specify(step, dataset, training.options)
        return _start(training, specification, going_on, overwrite=overwrite, anew=not resume)


def resume(
    path: str | Path,
    *,
    epochs: int | str | None = None,
    modules: dict[str, nn.Module] | None = None,
    data: Any = None,
    trackers: Sequence[Any] = ("tensorboard",),
    callbacks: Sequence[Callback] = (),
    device: str | None = None,
    progress: bool = True,
) -> Run:
    """Goes on with a run from its last checkpoint; on one machine it ends bit for bit as if it had never stopped.

    Args:
        path: folder of the run.
        epochs: a new total, or "+50" for fifty more than are done; None keeps the total that the run began with.
        modules: instances of the modules that are not prioria's, by path within the model, as for :meth:`Run.load`, or
            within the run ("model.encoder").
        data: the data, where it was handed over as an array and cannot be found by name, or the path that it has now.
        trackers: as for :func:`fit`.
        callbacks: as for :func:`fit`; those of before are not kept.
        device: as for :func:`fit`; None keeps the one that the run began with.
        progress: as for :func:`fit`.

    Raises:
        ValueError: there is no run, its files are damaged, what it needs is missing, a total is below what is done, or
            another process trains the run.
        NonFiniteLoss: the loss or a gradient is not finite.
    """
    folder = Path(path)
    shown = _shown(progress, trackers, callbacks)
    specification = run.read_specification(folder)
    if "refit" in specification:
        first = specification["refit"]["from"]
        raise ValueError(
            f"path={str(path)!r} holds a refitted prior, which has no checkpoint; resume {first} and refit again"
        )
    if "start" in specification:
        raise ValueError(
            f"path={str(path)!r} began at a start and is finished: it has no checkpoint; train anew (--overwrite), or "
            "for as long as you like with --preset paper"
        )
    options = Options(**specification["options"])
    if epochs is not None:
        options = replace(options, epochs=_total(epochs, checkpoint.read_state(folder)["epoch"]))
    if device is not None:
        options = replace(options, device=device)
    dataset = origin.find_data(specification, data)
    accelerator = processes.accelerator(bf16=options.precision == "bf16", device=options.device)
    with _own_randomness(options, accelerator):
        step = run.rebuild_step(folder, specification, modules)
        training = Training(step, dataset, options, folder, accelerator=accelerator, **shown)
        again = specification | {"options": asdict(options)}
        return _start(training, again, going_on=True, more=epochs is not None)


def _start(
    training: Training,
    specification: dict[str, Any],
    going_on: bool,
    *,
    overwrite: bool = False,
    anew: bool = False,
    more: bool = False,
) -> Run:
    folder, accelerator = training.folder, training.accelerator
    accelerator.wait_for_everyone()  # every process has seen whether there is a run before one of them writes
    with processes.alone(folder if accelerator.is_main_process else None):
        if folder is not None and not going_on and not overwrite and accelerator.is_main_process:
            _check_free(folder)  # again: another process may have trained there while this one waited for the lock
        if folder is not None and going_on:
            # an objective learns N from the data, which no checkpoint holds
            training.step.objective.check(training.step.model, training.data.train)
            # nor the range that a prior takes from the data; what is drawn for it here gives way to weights
            show_rows(training.step.model, training.data.train, accelerator.device)
            training.load(folder)
            longer = training.options.epochs > run.read_specification(folder)["options"]["epochs"]
            if longer or (more and training.out_of_patience):
                training.state.stale = 0  # who asks for more epochs has patience again
        else:
            training.begin(anew)
        if folder is not None and accelerator.is_main_process:
            run.write_specification(folder, specification)
        return training.run()


def _shown(progress: bool, trackers: Sequence[Any], callbacks: Sequence[Callback]) -> dict[str, Any]:
    """Checks before anything is read or written who is told how training goes."""
    tracking.check(trackers)
    called.check(callbacks)
    return {"progress": progress, "trackers": trackers, "callbacks": callbacks}


def _check_free(folder: Path) -> None:
    if run.exists(folder):
        raise ValueError(
            f"out={str(folder)!r} holds a run; pass resume=True or overwrite=True, or choose another folder"
        )


@contextmanager
def _own_randomness(options: Options, accelerator: Accelerator) -> Iterator[None]:
    with randomness.fork(accelerator.device):
        randomness.seed_all(options.seed, accelerator.process_index)
        yield


def _total(epochs: int | str, done: int) -> int:
    match = re.fullmatch(r"(\+?)(\d+)", str(epochs))
    if match is None:
        raise ValueError(f"epochs={epochs!r} is not understood; write a total such as 200, or '+50'")
    total = int(match[2]) + (done if match[1] else 0)
    if total < done:
        raise ValueError(f"epochs={epochs} is less than the {done} that are done; give more, or '+50' for 50 on top")
    return total
