"""A short campaign; python -m tests.faults.campaign is the long one."""

from __future__ import annotations

import pytest

from tests.faults.campaign import campaign


@pytest.mark.slow
def test_no_fault_ends_in_a_traceback_a_wrong_load_or_a_hang() -> None:
    found = campaign(seed=0, mutated=60, bad_lines=60, kills=4)
    assert {name: sum(each.values()) for name, each in found.items()} == {
        "mutants": 60,
        "command lines": 60,
        "kills": 4,
    }
    assert not {"traceback", "hang", "wrong load", "other"} & {kind for each in found.values() for kind in each}
