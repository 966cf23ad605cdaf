"""What a search has found."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prioria.tuning.space import Suggestion


@dataclass(frozen=True)
class Tried:
    """A trial that has ended.

    Attributes:
        number: of the trial.
        state: complete, pruned or failed.
        bound: the best mean of a lower bound on log p(x) over the validation rows, in nats; None where there is none.
        epochs: done.
        run: its folder.
        options: what it chose; None where it failed before.
        error: why it failed.
    """

    number: int
    state: str
    bound: float | None
    epochs: int
    run: Path
    options: Suggestion | None
    error: str = ""


@dataclass(frozen=True)
class Tuned:
    """What a search has found.

    Attributes:
        trials: all that have ended, the best first.
        place: arguments of ``prioria train`` that say what on, and from which seed.
    """

    trials: Sequence[Tried]
    place: Sequence[str]

    @property
    def best(self) -> Tried:
        """The trial with the best bound that was not pruned.

        Raises:
            ValueError: no trial has ended well; the first error is named.
        """
        done = [each for each in self.trials if each.state == "complete" and each.bound is not None]
        if not done:
            why = next((f": {each.error}" for each in self.trials if each.error), "; give it more minutes")
            raise ValueError(f"none of {len(self.trials)} trials has a bound{why}")
        return done[0]

    def command(self, out: str = "runs/tuned") -> str:
        """The command that makes the best run once more, into another folder."""
        best = self.best
        assert best.options is not None
        typed = [*self.place, *best.options.arguments(), "--epochs", f"{best.epochs}", "--out", out]
        return f"prioria train {shlex.join(typed)}"
