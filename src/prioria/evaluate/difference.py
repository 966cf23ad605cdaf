"""Paired differences: what makes a row hard is common to both models, so that errors are far below those of either."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from prioria.evaluate.record import Record, known, plus_minus


@dataclass(frozen=True)
class Difference:
    """The mean over N common examples of log p(x) under one model minus that under another, in nats.

    Attributes:
        value: the mean.
        standard_error: sd of the differences / sqrt(N), often far below that of either model; nan for one example.
        examples: N.
    """

    value: float
    standard_error: float
    examples: int

    @classmethod
    def of(cls, one: Float[Tensor, " N"], other: Float[Tensor, " M"]) -> Difference:
        """Returns the difference between the values of the same N examples.

        Raises:
            ValueError: other numbers of examples.
        """
        if one.shape != other.shape:
            raise ValueError(f"one has {len(one)} and other {len(other)} examples; give the same rows to both")
        differences, count = one - other, len(one)
        error = math.nan if count < 2 else differences.std().item() / math.sqrt(count)
        return cls(differences.mean().item(), error, count)

    def against(self, name: str) -> str:
        """Returns in words how far the first model is ahead, or behind.

        Two standard errors decide. The error stands beside the difference, unless there is none: of a single example.

        Args:
            name: of the other model.

        Example:
            >>> print(Difference(-31.2, 0.6, 100).against("a full Gaussian"))
            31.2 ± 0.6 nats worse than a full Gaussian
            >>> print(Difference(2.41, 0.3, 100).against("a unigram"))
            2.4 ± 0.3 nats better than a unigram
            >>> print(Difference(0.2, 0.3, 100).against("a unigram"))
            no better and no worse than a unigram (+0.2 ± 0.3 nats)
        """
        size, error = abs(self.value), self.standard_error
        digits = _digits(size) if math.isnan(error) or error == 0 else min(_digits(error), _digits(size) + 2)
        number = f"{size:,.{digits}f}"
        if not math.isnan(error):
            number += f" ± {error:,.{digits}f}"
        if size <= 2 * error:
            return f"no better and no worse than {name} ({'-' if self.value < 0 else '+'}{number} nats)"
        return f"{number} nats {'better' if self.value > 0 else 'worse'} than {name}"

    def to_json(self) -> dict[str, Any]:
        """Returns JSON values; what is not finite is None."""
        return {"value": known(self.value), "standard_error": known(self.standard_error), "examples": self.examples}

    @classmethod
    def from_json(cls, found: Any, place: str = "difference") -> Difference:
        """Returns the difference that :meth:`to_json` wrote.

        Raises:
            ValueError: a name is missing or unknown, or a value of another type or not finite.
        """
        record = Record(found, place)
        error = record.optional("standard_error", record.amount)
        read = cls(record.number("value"), math.nan if error is None else error, record.count("examples", 1))
        record.close()
        return read

    def __str__(self) -> str:
        return plus_minus(self.value, error=self.standard_error, sign=True)


def _digits(number: float) -> int:
    """Two digits of a small number; of one above ten those before the point."""
    if number >= 10 or number == 0 or not math.isfinite(number):
        return 0
    return max(1, -math.floor(math.log10(number)))
