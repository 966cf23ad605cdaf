"""The options of a training run, checked when they are given and written into its ``run.json``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

Optimizer = Literal["adam", "adam-normalized"]
Schedule = Literal["constant", "cosine"]
Precision = Literal["float32", "bf16"]


@dataclass(frozen=True)
class Options:
    """How to train; :func:`prioria.fit` says what each option means."""

    epochs: int
    batch_size: int = 100
    learning_rate: float = 5e-4
    seed: int = 0
    optimizer: Optimizer = "adam"
    schedule: Schedule = "constant"
    gradient_clip: float | None = None
    ema: float | None = None
    precision: Precision = "float32"
    compile: bool = False
    patience: int | None = None
    log_every: int = 100
    checkpoint_every: str = "60 seconds"

    def __post_init__(self) -> None:
        for name, known in {"optimizer": Optimizer, "schedule": Schedule, "precision": Precision}.items():
            if getattr(self, name) not in get_args(known):
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; use one of {', '.join(get_args(known))}")
        for name, least in {"epochs": 0, "batch_size": 1, "seed": 0, "log_every": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate={self.learning_rate} must be positive")
        if self.gradient_clip is not None and self.gradient_clip <= 0:
            raise ValueError(f"gradient_clip={self.gradient_clip} must be positive; leave it out for no clipping")
        if self.gradient_clip is not None and self.optimizer == "adam-normalized":
            raise ValueError(f"gradient_clip={self.gradient_clip} does nothing to normalized gradients; leave it out")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema={self.ema} must lie between 0 and 1, for instance 0.999")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience={self.patience} must be at least 1 epoch; leave it out to train all epochs")
        Interval.parse(self.checkpoint_every)

    def rate(self, step: int, steps: int) -> float:
        """Returns the factor on the learning rate at a step: 1, or half a cosine from 1 to 0 over all steps."""
        return 1.0 if self.schedule == "constant" else 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / steps))


@dataclass(frozen=True)
class Interval:
    """How often something is done, in seconds or in steps.

    Example:
        >>> Interval.parse("2 minutes")
        Interval(length=120, unit='seconds')
    """

    length: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Reads "60 seconds", "10 minutes" or "500 steps".

        Raises:
            ValueError: the text is none of them.
        """
        match = re.fullmatch(r"\s*([1-9]\d*)\s*(second|minute|step)s?\s*", text)
        if match is None:
            raise ValueError(f"checkpoint_every={text!r} is not understood; write '60 seconds' or '500 steps'")
        length = int(match[1])
        return cls(60 * length, "seconds") if match[2] == "minute" else cls(length, f"{match[2]}s")

    def passed(self, *, seconds: float, steps: int) -> bool:
        """Whether it is time, that many seconds and steps after the last time."""
        return (seconds if self.unit == "seconds" else steps) >= self.length
