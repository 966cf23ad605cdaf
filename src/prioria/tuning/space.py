"""The space of the search, and a training with what was chosen in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from prioria import build
from prioria.build.outputs import usual_network
from prioria.data import Dataset
from prioria.memory import building
from prioria.train import Run, fit

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

MOST_LATENTS = 64
WIDTHS = (0.25, 0.5, 1.0, 2.0)  # of hidden layers, times the usual ones
PRIORS = ("standard", "mixture", "vamp")
WARM_UPS = (0.0, 0.1, 0.2)  # share of all epochs; none is pruned before the longest has ended


@dataclass(frozen=True)
class Suggestion:
    """What one trial chose, as options of ``prioria train``.

    Attributes:
        latents: dimensions of z.
        network: its kind.
        hidden: its widths.
        prior: its kind.
        learning_rate: Adam's, to two digits.
        warmup: epochs of warm-up of the KL term.
    """

    latents: int
    network: str
    hidden: tuple[int, ...]
    prior: str
    learning_rate: float
    warmup: int

    @classmethod
    def suggest(cls, trial: Trial | FrozenTrial, data: Dataset, epochs: int) -> Suggestion:
        """Chooses within the space of the search."""
        kind = usual_network(data, None)
        usual = build.NETWORKS.kinds[kind].usual(data.shape)
        width = trial.suggest_categorical("width", WIDTHS)
        return cls(
            latents=trial.suggest_int("latents", 2, MOST_LATENTS, log=True),
            network=kind,
            hidden=tuple(max(1, int(width * each)) for each in usual),
            prior=trial.suggest_categorical("prior", PRIORS),
            learning_rate=float(f"{trial.suggest_float('learning_rate', 1e-4, 1e-2, log=True):.2g}"),
            warmup=round(epochs * trial.suggest_categorical("warmup", WARM_UPS)),
        )

    def arguments(self) -> list[str]:
        """The options as a person types them."""
        hidden = ["--network.hidden", *map(str, self.hidden)]
        found = ["--latents", f"{self.latents}", "--network", self.network, *hidden, "--prior", self.prior]
        found += ["--learning-rate", f"{self.learning_rate:g}"]
        return found + (["--objective", "elbo", "--objective.warmup", f"{self.warmup} epochs"] if self.warmup else [])

    def train(self, data: Dataset, epochs: int, **more: Any) -> Run:
        """Trains as the command does.

        Args:
            data: the data set.
            epochs: at most.
            more: what else ``fit`` takes; ``seed`` is that of the weights, too.
        """
        torch.manual_seed(more["seed"])
        with building():
            network = {"kind": self.network, "hidden": self.hidden}
            model = build.model(data, prior=self.prior, network=network, latents=self.latents)
        warmup = {"warmup": f"{self.warmup} epochs"} if self.warmup else {}
        objective = build.objective(model, {"kind": "elbo", **warmup})
        return fit(model, objective, data, epochs=epochs, learning_rate=self.learning_rate, **more)
