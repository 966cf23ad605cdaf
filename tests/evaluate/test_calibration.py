"""Printed intervals and bounds against the truth of linear-Gaussian models, over two hundred seeds.

A share of 0.95 in 200 leaves the counts that are accepted here once in 1,000 seeds, on either side.
"""

from __future__ import annotations

import pytest
from scipy import stats

from benchmarks.calibration import coverage

SEEDS, FALSE_ALARM = 200, 1e-3


@pytest.mark.slow
def test_printed_intervals_cover_in_95_of_100_seeds() -> None:
    """q has 0.7 of the exact deviations: the weights have a tail of k = 0.51, and hardly a variance."""
    found = coverage(2, 0.7, 200, seeds=SEEDS, rows=20)
    assert found.intervals > 0.9 * SEEDS
    for count in (found.cover, found.sampled):
        low, high = stats.binom.ppf([FALSE_ALARM, 1 - FALSE_ALARM], found.intervals, 0.95)
        assert low <= count <= high


@pytest.mark.slow
def test_where_q_is_too_narrow_a_bound_is_printed_and_holds() -> None:
    """The estimates are low by half a nat, of which the jackknife finds a tenth."""
    found = coverage(2, 0.3, 200, seeds=SEEDS, rows=20)
    assert found.bounds > 0.9 * SEEDS
    assert found.hold >= stats.binom.ppf(FALSE_ALARM, found.bounds, 0.95)
