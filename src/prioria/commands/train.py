"""The command that trains."""

# pyright: reportInvalidTypeForm=false
# (the records of options are generated from constructors)

from __future__ import annotations

import inspect
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from cyclopts import Parameter

from prioria import build, presets
from prioria import data as data_sets
from prioria.commands.opened import check_outside
from prioria.commands.options import GROUPS, chosen, flags, record
from prioria.commands.sample import check_seed
from prioria.data.own.frames import notes
from prioria.data.reading import Reading
from prioria.memory import building
from prioria.train import Run, Suggestion, fit, fit_dependency_graph, processes, resume, suggest_target
from prioria.train.options import Options
from prioria.train.run import exists
from prioria.train.structure import STRUCTURE

PARTS, TRAINED = (Parameter(group=GROUPS[title]) for title in ("Parts of the model", "Training"))
PriorOptions, PosteriorOptions = record(build.PRIORS), record(build.POSTERIORS)
LikelihoodOptions, ObjectiveOptions = record(build.LIKELIHOODS), record(build.OBJECTIVES)
TotalCorrelationOptions, ConstraintOptions = record(build.TOTAL_CORRELATIONS), record(build.CONSTRAINTS)
NetworkOptions, StagesOptions = record(build.NETWORKS), record(build.STAGES)
PRIOR, POSTERIOR, LIKELIHOOD, OBJECTIVE = PriorOptions(), PosteriorOptions(), LikelihoodOptions(), ObjectiveOptions()
TC, CONSTRAINT, NETWORK, STAGES = TotalCorrelationOptions(), ConstraintOptions(), NetworkOptions(), StagesOptions()
TrainingOptions = flags(Options, without=frozenset({"epochs"}), patience=50)
TRAINING = TrainingOptions()
ReadingOptions = flags(Reading)
READING = ReadingOptions()
EPOCHS, PILOT = 100, 5
Tracker = Literal["tensorboard", "wandb", "mlflow", "aim"]
TRACKERS: tuple[Tracker, ...] = ("tensorboard",)
PLAIN = frozenset(
    "prior posterior likelihood objective tc constraint network stages latents levels relaxed epochs suggest".split()
)


def train(
    data: str | None = None,
    *,
    out: Path | None = None,
    resume_run: Annotated[Path | None, Parameter(name="--resume")] = None,
    epochs: str | None = None,
    preset: presets.Preset = "auto",
    prior: Annotated[PriorOptions, PARTS] = PRIOR,
    posterior: Annotated[PosteriorOptions, PARTS] = POSTERIOR,
    likelihood: Annotated[LikelihoodOptions, PARTS] = LIKELIHOOD,
    objective: Annotated[ObjectiveOptions, PARTS] = OBJECTIVE,
    tc: Annotated[TotalCorrelationOptions, PARTS] = TC,
    constraint: Annotated[ConstraintOptions, PARTS] = CONSTRAINT,
    network: Annotated[NetworkOptions, PARTS] = NETWORK,
    stages: Annotated[StagesOptions, PARTS] = STAGES,
    latents: int | None = None,
    levels: int = 1,
    reading: Annotated[ReadingOptions, Parameter(name="*")] = READING,
    training: Annotated[TrainingOptions, TRAINED, Parameter(name="*")] = TRAINING,
    tracker: Annotated[tuple[Tracker, ...], TRAINED, Parameter(negative_iterable="")] = TRACKERS,
    overwrite: bool = False,
    suggest: Annotated[bool, Parameter(name="--suggest-target", negative="")] = False,
) -> None:
    """Train a model, or go on with a run that was stopped.

    Args:
        data: a data set's name (prioria data list), or a file of a table or of arrays, or a folder, zip or tar of
            pictures.
        out: folder of the run; by default runs/ with the names of the data and of the prior or the hierarchy.
        resume_run: folder of a run to go on with; --data PATH then says where its data lies now, if it moved. A graph
            whose edges are learned goes on with the command that began it.
        epochs: how many, 100 by default; with --resume a new total, or "+50" for 50 more.
        preset: of your own data: table or counts begin at the best classical model and keep networks only where they
            pay, in seconds; paper is plain training. auto takes the one for the kind of data, and paper for a known
            set or where parts of the model, epochs or other options of training are given.
        latents: latent dimensions (of each level), 40 by default; a hierarchy has its own with --stages.
        levels: 1, or 2 for the two-level hierarchy of the VampPrior paper, which takes any prior.
        tracker: where curves go besides metrics.jsonl, and of pictures reconstructions and samples: the last three need
            the extra of their name. May be given several times. WANDB_MODE=offline and MLFLOW_TRACKING_URI are theirs.
        overwrite: replace a run that is already in the folder.
        suggest: train a pilot only, 5 epochs by default, and propose a target for --constraint. It minimizes the ELBO
            at beta = 1 whatever the objective, and writes nothing; all other options hold for it.
    """
    given = dict(locals())  # the options alone: no other name is bound yet
    if data is None and resume_run is None:
        raise ValueError("data: name what to train on, or a run to go on with (prioria train --resume RUN)")
    if resume_run is not None:
        _check_resumed(given)
        return _finish(_resumed(resume_run, epochs, data, training.device, tracker))
    if out is not None:
        processes.place(out)
    check_seed(training.seed)
    total = _total(epochs, default=PILOT if suggest else EPOCHS)
    assert data is not None  # what is resumed has been
    source = Reading(**vars(reading)).load(data)
    _tell_columns(source)
    name = _preset(source, preset, given)
    if name != "paper":
        folder = out or _folder(source.name, name)
        _check_outside(folder, source)
        if processes.is_first():
            _check_free(folder, overwrite)
        both = {each: getattr(training, each) for each in presets.OPTIONS}
        found = presets.train(source, name, **both, trackers=tracker, out=folder, overwrite=overwrite)
        if processes.is_first():
            print(f"Preset {name}: {found}")
        return _finish(found.run)
    torch.manual_seed(training.seed)
    hierarchy = chosen(stages)
    structure = None if hierarchy is None else build.structure(hierarchy)
    make = partial(
        build.model,
        source,
        prior=chosen(prior),
        posterior=chosen(posterior),
        likelihood=chosen(likelihood),
        network=chosen(network),
        latents=latents,
        levels=levels,
        stages=hierarchy,
        relaxed=reading.relaxed,
    )
    with building():
        built = make()
    options = vars(training)
    if suggest:
        return _propose(suggest_target(built, source, epochs=total, **options))
    parts = {"tc": chosen(tc), "constraint": chosen(constraint)}
    objectives = partial(build.objective, built, chosen(objective) or "elbo", **parts)
    folder = out or _folder(source.name, (prior if structure is None else stages).kind)
    _check_outside(folder, source)
    if structure is not None and structure.learns_edges:
        two = {"epochs": structure.phases(total), "warm_start": bool(structure.warm_start)}
        again = {"seed": training.seed, "out": _unless(overwrite, folder), "options": {**options, "trackers": tracker}}
        return _finish(fit_dependency_graph(lambda edges: make(edges=edges), objectives, source, **two, **again))
    _check_free(folder, overwrite)
    again = {"epochs": total, "out": folder, "overwrite": overwrite, "trackers": tracker}
    _finish(fit(built, objectives(), source, **again, **options))


def _tell_columns(source: data_sets.Dataset) -> None:
    """Says of a table what was taken as labels and what was left out, and how to change it."""
    schema = source.protocol.schema
    if schema is not None and processes.is_first():
        for line in notes(schema):
            print(line)


def _changed(given: dict[str, Any]) -> list[str]:
    """The options that are not at their defaults."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(train).parameters.items()}
    changed = [name for name, default in defaults.items() if given[name] != default]
    for group, usual in (("training", TRAINING), ("reading", READING)):
        changed += [name for name, value in vars(given[group]).items() if value != getattr(usual, name)]
    return changed


def _preset(source: data_sets.Dataset, preset: presets.Preset, given: dict[str, Any]) -> presets.Preset:
    """The preset for the data; options that only plain training has turn it into that."""
    changed = _changed(given)
    own = (name for name in changed if name not in presets.OPTIONS)
    plain = [name for name in own if name in PLAIN or hasattr(TRAINING, name)]
    if preset == "auto" and plain:
        return "paper"
    name = presets.chosen(source, preset)
    if name != "paper" and plain:
        flag = plain[0].replace("_", "-")
        raise ValueError(f"--{flag} does not go with --preset {name}, which has its own; leave one of them out")
    return name


def _check_resumed(given: dict[str, Any]) -> None:
    for name in _changed(given):
        if name not in ("data", "resume_run", "epochs", "training", "reading", "device", "tracker"):
            flag = "suggest-target" if name == "suggest" else name.replace("_", "-")
            raise ValueError(
                f"--{flag} does not go with --resume, which keeps what the run began with but for "
                "--epochs, --device, --tracker and --data; leave it out, or begin a new run"
            )


def _total(epochs: str | None, default: int) -> int:
    if epochs is None:
        return default
    _check_whole(epochs)
    if epochs.startswith("+"):
        raise ValueError(f"--epochs {epochs} is for --resume; a new run takes a total, as in --epochs {epochs[1:]}")
    return int(epochs)


def _check_whole(epochs: str) -> None:
    number = epochs.removeprefix("+")
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(
            f"--epochs {epochs} must be a whole number of at least 1, as in --epochs 100; with --resume also +50"
        )


def _resumed(folder: Path, epochs: str | None, data: str | None, device: str, trackers: tuple[str, ...]) -> Run:
    if epochs is not None:
        _check_whole(epochs)
    if exists(folder / STRUCTURE) and not exists(folder):
        raise ValueError(f"{folder} was stopped while its edges were learned; give the command that began it again")
    total = epochs if epochs is None or epochs.startswith("+") else int(epochs)
    place = None if device == TRAINING.device else device
    return resume(folder, epochs=total, data=data, trackers=trackers, device=place)


def _unless(overwrite: bool, folder: Path) -> Path:
    if overwrite:
        raise ValueError(f"--overwrite: a graph whose edges are learned goes on with what is in {folder}; remove it")
    return folder


def _check_outside(folder: Path, source: data_sets.Dataset) -> None:
    own = Path((source.origin or {}).get("source", ""))  # of the user's own data an absolute path, else a name
    if own.is_absolute():
        check_outside(folder, own, "run")


def _check_free(folder: Path, overwrite: bool) -> None:
    if exists(folder) and not overwrite:
        raise ValueError(
            f"--out {folder} holds a run; go on with it by prioria train --resume {shlex.quote(str(folder))}, replace "
            "it with --overwrite, or choose another folder"
        )


def _propose(found: Suggestion) -> None:
    if processes.is_first():
        print(f"Suggested: {found}\nNext: the same command with   --constraint rewo --constraint.target {found.target}")


def _folder(name: str, part: str) -> Path:
    return Path("runs") / f"{Path(name).stem}-{part}"


def _finish(run: Run) -> None:
    typed = shlex.quote(str(run.path))
    if processes.is_first():
        others = f"prioria report {typed}   or   prioria ui {typed}"
        print(f"Trained: {run.path}\nNext: prioria evaluate {typed}   or   {others}")
