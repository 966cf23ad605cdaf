"""Results as text, and as JSON values that are read name by name: each must be there, of its type, and finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Record:
    """A JSON object whose names are taken one by one; what is left over in the end is unknown.

    Args:
        found: the value that was read.
        place: where it stands, for messages; "" for the whole file.

    Raises:
        ValueError: it is no object; later, a name is missing, of another type, not finite, or unknown.

    Example:
        >>> record = Record({"value": 1, "seed": None}, "elbo")
        >>> record.number("value"), record.optional("seed", record.integer)
        (1.0, None)
        >>> record.text("estimator")
        Traceback (most recent call last):
        ValueError: elbo.estimator: field required
    """

    def __init__(self, found: Any, place: str = "") -> None:
        if not isinstance(found, dict):
            raise ValueError(f"{place or 'the whole file'}: input should be a valid dictionary")
        self.found, self.place, self.taken = found, place, set[str]()

    def at(self, name: str) -> str:
        """Returns the place of a name."""
        return f"{self.place}.{name}" if self.place else name

    def take(self, name: str) -> Any:
        """Returns what stands under a name."""
        self.taken.add(name)
        if name not in self.found:
            raise ValueError(f"{self.at(name)}: field required")
        return self.found[name]

    def number(self, name: str) -> float:
        """Returns a finite number."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{self.at(name)}: input should be a valid number")
        if not math.isfinite(value):
            raise ValueError(f"{self.at(name)}: input should be a finite number")
        return float(value)

    def amount(self, name: str) -> float:
        """Returns a finite number that is not negative, such as a standard error."""
        value = self.number(name)
        if value < 0:
            raise ValueError(f"{self.at(name)}: input should be greater than or equal to 0")
        return value

    def integer(self, name: str) -> int:
        """Returns a whole number of 64 bits at most."""
        value = self.number(name)
        if not value.is_integer() or abs(value) >= 2**64:
            raise ValueError(f"{self.at(name)}: input should be a valid integer")
        return int(self.found[name])

    def count(self, name: str, least: int = 0) -> int:
        """Returns a whole number of things."""
        value = self.integer(name)
        if value < least:
            raise ValueError(f"{self.at(name)}: input should be greater than or equal to {least}")
        return value

    def truth(self, name: str) -> bool:
        """Returns true or false."""
        return self._of_type(name, bool, "boolean")

    def text(self, name: str) -> str:
        """Returns a text."""
        return self._of_type(name, str, "string")

    def entries(self, name: str) -> list[Any]:
        """Returns a list."""
        return self._of_type(name, list, "list")

    def numbers(self, name: str) -> list[float]:
        """Returns a list of finite numbers."""
        row = Record({str(i): value for i, value in enumerate(self.entries(name))}, self.at(name))
        return [row.number(i) for i in row.found]

    def inner(self, name: str) -> Record:
        """Returns the object under a name."""
        return Record(self.take(name), self.at(name))

    def each(self, read: Callable[[str], T]) -> dict[str, T]:
        """Returns what stands under every name, each read in the same way."""
        return {name: read(name) for name in self.found}

    def optional(self, name: str, read: Callable[[str], T], default: T | None = None) -> T | None:
        """Returns what stands under a name, the default where it is null or not there."""
        self.taken.add(name)
        return default if self.found.get(name) is None else read(name)

    def close(self, *derived: str) -> None:
        """Ends the reading; names that follow from others need not be read.

        Raises:
            ValueError: a name is unknown.
        """
        if unknown := sorted(set(self.found) - self.taken - set(derived)):
            raise ValueError(f"{self.at(unknown[0])}: no such field; another version of prioria may have written it")

    def _of_type(self, name: str, kind: type[T], word: str) -> T:
        value = self.take(name)
        if not isinstance(value, kind):
            raise ValueError(f"{self.at(name)}: input should be a valid {word}")
        return value


def known(number: float | None) -> float | None:
    """Returns a number as JSON has it: None where it is not finite."""
    return number if number is not None and math.isfinite(number) else None


def plus_minus(value: float, *, error: float = math.nan, digits: int = 2, sign: bool = False) -> str:
    """Returns a number and its standard error as all of prioria prints them.

    Args:
        value: the number.
        error: its standard error; nothing is said of one that is not a number.
        digits: after the point; more where the error would else be 0.00.
        sign: before what is not negative, too: of differences.

    Example:
        >>> plus_minus(-89.1234, error=0.5), plus_minus(-89.1234, error=0.0012), plus_minus(-89.1234)
        ('-89.12 ± 0.50', '-89.123 ± 0.001', '-89.12')
        >>> plus_minus(0.4, error=0.1, sign=True)
        '+0.40 ± 0.10'
    """
    if 0 < error < 10**-digits:
        digits = -math.floor(math.log10(error))
    return f"{value:{'+' * sign}.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}")
