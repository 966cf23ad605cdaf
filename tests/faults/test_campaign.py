"""A short campaign; ``pytest tests/faults --campaign 1000`` is the long one."""

from __future__ import annotations

import pytest

from tests.faults.campaign import campaign
from tests.faults.kinds import KINDS, UNCHECKED

ENDS = {"one line", "accepted", "bit-identical", "sealed anew as another run"}


@pytest.mark.slow
def test_no_fault_ends_in_a_traceback_a_wrong_load_or_a_hang(request: pytest.FixtureRequest) -> None:
    """As many damaged files and bad command lines; a tenth as many kills of each kind of training, and file limits."""
    count, kinds = request.config.getoption("--campaign"), KINDS.keys() - UNCHECKED
    kills, rooms = max(1, count // 10), max(2, count // 10)
    found = campaign(seed=0, mutated=count, bad_lines=count, kills=kills, rooms=rooms, kinds=sorted(kinds))
    assert {name: sum(each.values()) for name, each in found.items()} == {
        "mutants": count,
        "command lines": count,
        "kills": kills * len(kinds),
        "limits": rooms,
    }
    assert {kind for each in found.values() for kind in each} <= ENDS
