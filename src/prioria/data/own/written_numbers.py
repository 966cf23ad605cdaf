"""Numbers as people write them: decimal commas, thousands apart, a currency or a percent sign."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

COMMA = re.compile(r"\s*[-+]?\d*,\d+\s*")  # a number with a decimal comma
PERHAPS = re.compile(r"[-+]?\d*(,\d+)?")  # the same, or a whole number
CURRENCIES = "$€£¥₹"
UNIT = re.compile(rf"([{CURRENCIES}]?)\s*([-+]?)\s*([{CURRENCIES}]?)\s*([\d.,'\u00a0\u202f ]*\d)\s*([{CURRENCIES}%]?)")
GROUPED = (  # thousands apart, and what parts whole and fraction
    (re.compile(r"[-+]?\d{1,3}(,\d{3})*(\.\d+)?"), ",", "."),
    (re.compile(r"[-+]?\d{1,3}(\.\d{3})*(,\d+)?"), ".", ","),
    (re.compile(r"[-+]?\d{1,3}([ \u00a0\u202f']\d{3})*([.,]\d+)?"), " \u00a0\u202f'", ","),
)


def plain_numbers(known: pd.Series) -> pd.Series | None:
    """Words as Python spells the numbers that they are; None where they are no such numbers, or are spelled so already.

    Every word must follow one rule: 1,5 for one and a half; 1,234.50 or 1.234,50 or 1 234,50 with some thousands apart;
    each with the same sign of a currency, or of percent. 1,234 in all rows is read as one and a bit.

    Example:
        >>> import pandas as pd
        >>> plain_numbers(pd.Series(["$1,250.00", "$80.50"])).tolist()
        ['1250.00', '80.50']
    """
    words, signed = _without_unit(known)
    if words is None:
        return None
    if words.str.fullmatch(COMMA).all() or _have_fractions(words):
        return words.str.replace(",", ".", regex=False)
    for form, apart, point in GROUPED:
        if words.str.fullmatch(form).all() and _are_apart(words, apart, point):
            whole = words.str.replace(f"[{re.escape(apart)}]", "", regex=True)
            return whole.str.replace(point, ".", regex=False)
    return words if signed else None


def _without_unit(known: Any) -> tuple[Any, bool]:
    """The words without a sign that all of them have; None where some have it, or signs differ."""
    first = known.iloc[0]
    if not any(sign in first for sign in (*CURRENCIES, "%")):
        return known, False
    parts = known.str.extract(rf"^{UNIT.pattern}$")
    signs = parts[0].str.cat([parts[2], parts[4]])
    if parts.isna().any(axis=None) or signs.nunique() != 1:
        return None, False
    return parts[1].str.cat(parts[3]), True


def _have_fractions(words: Any) -> bool:
    """Whether words are whole numbers and ones with a decimal comma, of which some part no thousands."""
    return bool(words.str.fullmatch(PERHAPS).all() and not words.str.fullmatch(GROUPED[0][0]).all())


def _are_apart(words: Any, apart: str, point: str) -> bool:
    """Whether thousands are apart somewhere, and no other rule would read the same words otherwise."""
    marks = words.str.count(f"[{re.escape(apart)}]")
    if not marks.any():
        return False
    if apart == ".":  # 1.234 alone is a fraction
        return bool((marks > 1).any() or words.str.contains(point, regex=False).any())
    return True
