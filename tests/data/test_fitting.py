"""Rows for a trained model must be of a kind that its likelihood has a density for."""

import numpy as np
import pytest

from prioria.data import DataError, load, read_rows

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(40, 3))
BITS, COUNTS = RNG.integers(0, 2, (40, 3)), RNG.integers(0, 9, (40, 3))
GREYS = RNG.integers(0, 256, (40, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("trained", "rows", "reason"),
    [
        (BITS, RNG.uniform(0, 1, (5, 3)), "grey values from .*trained on binary values; give 0 and 1"),
        (BITS, GREYS, "grey values from .*trained on binary values"),
        ((BITS * 255).astype(np.uint8), GREYS, "grey values from .*trained on binary values"),
        (COUNTS, GOOD, "continuous values from -.*trained on count values; give whole numbers from 0 on"),
        (COUNTS, RNG.uniform(0, 1, (5, 3)), "grey values from .*trained on count values"),
        (COUNTS, -COUNTS, "continuous values from -8 to 0"),
        (GREYS, np.full((5, 3), 256), "values from 256 to 256, but the model was trained on 0 to 255"),
    ],
)
def test_rows_without_a_density_are_refused(trained, rows, reason):
    with pytest.raises(DataError, match=reason):
        read_rows(rows, load(trained).protocol)


@pytest.mark.parametrize(
    ("trained", "rows"),
    [
        (BITS, BITS[:1] * 0),
        ((BITS * 255).astype(np.uint8), BITS),
        (COUNTS, BITS),
        (COUNTS, COUNTS.astype(np.uint8)),
        (COUNTS, 1000 * COUNTS.astype(float)),
        (GOOD, BITS),
        (GREYS, GREYS[:1]),
    ],
)
def test_rows_of_a_narrower_kind_are_read(trained, rows):
    assert len(read_rows(rows, load(trained).protocol)) == len(rows)
