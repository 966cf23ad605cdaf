"""Where curves and pictures go besides ``metrics.jsonl``: trackers, through accelerate."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from prioria import drawing
from prioria.data import Dataset
from prioria.distributions import mean
from prioria.evaluate.sampling import device_of
from prioria.model import VAE
from prioria.train.callbacks import Epoch
from prioria.train.log import Line

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

    from prioria.train.run import Run

PICTURES = 8  # rows, with their reconstructions, and as many samples
PROJECT = "prioria"
FORMATS: dict[str, dict[str, Any]] = {"tensorboard": {"dataformats": "NHWC"}}  # where pictures are no lists
ONE_EACH = frozenset({"aim"})  # these take one picture under a name: several stand side by side


def _tensorboard(folder: Path, step: int) -> GeneralTracker:
    from accelerate.tracking import TensorBoardTracker

    # events after the checkpoint belong to steps that are done again
    return TensorBoardTracker("tensorboard", folder, purge_step=step + 1)


def _wandb(folder: Path, step: int) -> GeneralTracker:
    from accelerate.tracking import WandBTracker

    return WandBTracker(PROJECT, name=folder.name, dir=str(folder))


def _mlflow(folder: Path, step: int) -> GeneralTracker:
    from accelerate.tracking import MLflowTracker

    return MLflowTracker(PROJECT, run_name=folder.name)


def _aim(folder: Path, step: int) -> GeneralTracker:
    from accelerate.tracking import AimTracker

    return AimTracker(PROJECT, logging_dir=str(folder))


MAKERS: dict[str, Callable[[Path, int], GeneralTracker]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "aim": _aim,
}


def check(trackers: Sequence[Any]) -> None:
    """Refuses a tracker that is unknown or not installed, which accelerate would pass over in silence.

    Raises:
        ValueError: with what to install.
    """
    for each in trackers:
        if isinstance(each, str) and each not in MAKERS:
            raise ValueError(f"trackers: {each!r} is unknown; use {', '.join(MAKERS)}, or a tracker of accelerate")
        if isinstance(each, str) and importlib.util.find_spec(each) is None:
            raise ValueError(f"trackers: {each} is not installed; pip install 'prioria[{each}]'")


def made(trackers: Sequence[Any], folder: Path | None, step: int) -> list[GeneralTracker]:
    """Returns accelerate's trackers; those that are named write nothing where the run has no folder.

    Args:
        trackers: names, and trackers as they are.
        folder: of the run.
        step: that the training goes on after.
    """
    own = [each for each in trackers if not isinstance(each, str)]
    return own if folder is None else own + [MAKERS[name](folder, step) for name in trackers if isinstance(name, str)]


def curves(line: Line) -> dict[str, float]:
    """Returns the numbers of a line of ``metrics.jsonl`` under the names that they have in trackers.

    Example:
        >>> curves({"split": "train", "epoch": 1, "step": 7, "loss": 2.5})
        {'train/loss': 2.5}
    """
    return {f"{line['split']}/{name}": value for name, value in line.items() if isinstance(value, float)}


def tell(trackers: Sequence[Any], run: Run) -> None:
    """Gives trackers all curves of a run that has ended, and the pictures of its last epoch.

    Args:
        trackers: names, and trackers as they are.
        run: its model as it was kept.
    """
    for tracker in made(trackers, run.path, 0):
        tracker.start()
        for line in run.history:
            tracker.log(curves(line), step=line["step"])
        last = run.history[-1]["epoch"]
        Pictures([tracker], run.data, last, device_of(run.model))(Epoch(run.model, last, {}, run.history[-1]))
        tracker.finish()


def due(epoch: int, last: int) -> bool:
    """Whether pictures are logged after an epoch: the first, second, fourth, eighth, ..., and the last one."""
    return epoch == last or epoch & (epoch - 1) == 0


class Pictures:
    """A callback that shows how rows are rebuilt and what is drawn, to trackers that take pictures.

    Args:
        trackers: of accelerate.
        data: whose validation rows are rebuilt.
        epochs: how many there will be.
        device: of the model.
    """

    def __init__(self, trackers: Sequence[GeneralTracker], data: Dataset, epochs: int, device: torch.device) -> None:
        drawn = drawing.is_drawable(data.protocol)
        self.trackers: list[Any] = [each for each in trackers if drawn and hasattr(each, "log_images")]
        self.data, self.epochs, self.device = data, epochs, device

    def __call__(self, epoch: Epoch) -> None:
        if self.trackers and due(epoch.number, self.epochs) and epoch.model is not None:
            found = self._drawn(epoch.model)
            beside = {name: np.concatenate(list(pictures), 1) for name, pictures in found.items()}
            for each in self.trackers:
                shown = beside if each.name in ONE_EACH else found
                each.log_images(shown, step=epoch.validation["step"], **FORMATS.get(each.name, {}))

    @torch.no_grad()
    def _drawn(self, model: VAE) -> dict[str, Any]:
        torch.manual_seed(0)  # the same noise after every epoch; the caller has put its generator aside
        x = self.data.validation.tensor(PICTURES)
        rebuilt = mean(model.draw(x.to(self.device)).px)[0].cpu()
        samples = mean(model.generate(PICTURES).px)[0].cpu()
        pairs = torch.stack([x, rebuilt], 1).flatten(0, 1)  # each row beside what became of it
        protocol = self.data.protocol
        return {"reconstructions": drawing.drawn(pairs, protocol), "samples": drawing.drawn(samples, protocol)}
