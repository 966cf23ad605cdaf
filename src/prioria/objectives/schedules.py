"""Linear warm-up, in steps or epochs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prioria.objectives.base import Progress


@dataclass(frozen=True)
class Ramp:
    """Rises linearly to 1 over ``length`` steps or epochs, the first of which is already 1/length.

    Example:
        >>> Ramp.parse("100 epochs")(Progress(step=0, epoch=49))
        0.5
    """

    length: int
    unit: str

    @classmethod
    def parse(cls, text: str | None) -> Ramp:
        """Reads "100 epochs" or "5000 steps"; None is no ramp at all.

        Raises:
            ValueError: the text is neither.
        """
        if text is None:
            return cls(0, "steps")
        match = re.fullmatch(r"\s*(\d+)\s*(epoch|step)s?\s*", text)
        if match is None:
            raise ValueError(f"warmup={text!r} is not understood; write '100 epochs' or '5000 steps'")
        return cls(int(match[1]), f"{match[2]}s")

    def __call__(self, progress: Progress | None) -> float:
        if progress is None or self.length == 0:
            return 1.0
        done = progress.epoch if self.unit == "epochs" else progress.step
        return min(1.0, (done + 1) / self.length)

    def ended(self, progress: Progress) -> bool:
        """Whether all of it has passed.

        Example:
            >>> ramp = Ramp.parse("20 epochs")
            >>> ramp.ended(Progress(step=0, epoch=19)), ramp.ended(Progress(step=0, epoch=20))
            (False, True)
        """
        return (progress.epoch if self.unit == "epochs" else progress.step) >= self.length

    def unfinished(self, last: Progress) -> str | None:
        """Returns, in words, that training ends before it does; None where it does not.

        Example:
            >>> Ramp.parse("100 epochs").unfinished(Progress(step=29, epoch=2))
            'warmup="100 epochs" ends after training does: what it raises has come to 3 %; shorten it, or train longer'
        """
        if self(last) >= 1:
            return None
        return (
            f'warmup="{self.length} {self.unit}" ends after training does: what it raises has come to '
            f"{100 * self(last):.0f} %; shorten it, or train longer"
        )
