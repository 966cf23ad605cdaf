"""A short campaign; ``pytest tests/faults --campaign 1000`` is the long one."""

from __future__ import annotations

import pytest

from tests.faults.campaign import campaign
from tests.faults.trainings import KINDS

ENDS = {"one line", "accepted", "bit-identical", "sealed anew as another run"}


@pytest.mark.slow
def test_no_fault_ends_in_a_traceback_a_wrong_load_or_a_hang(request: pytest.FixtureRequest) -> None:
    """As many damaged files and bad command lines; a tenth as many kills of each kind of training, and file limits."""
    count = request.config.getoption("--campaign")
    found = campaign(seed=0, mutated=count, bad_lines=count, kills=max(1, count // 10), rooms=max(2, count // 10))
    assert {name: sum(each.values()) for name, each in found.items()} == {
        "mutants": count,
        "command lines": count,
        "kills": max(1, count // 10) * len(KINDS),
        "limits": max(2, count // 10),
    }
    assert {kind for each in found.values() for kind in each} <= ENDS
