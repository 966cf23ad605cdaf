"""The command line keeps the memory that it frees, so that a step does not fault it in anew."""

import os
import subprocess
import sys

import pytest

ROUNDS = """
import resource
import numpy
from prioria.cli import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        arrays = [numpy.ones(2**19) for _ in range(16)]  # 64 MiB in blocks of 4 MiB, as a step has them
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
before = faults()
keep_freed_memory()
faults()
print(before, faults())
"""


def page_faults(**environment: str) -> list[int]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    run = subprocess.run(
        [sys.executable, "-c", ROUNDS], env=kept | environment, capture_output=True, text=True, check=True
    )
    return [int(each) for each in run.stdout.split()]


pytestmark = pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="the C library is not glibc"
)


def test_arrays_of_every_step_are_faulted_in_once():
    before, after = page_faults()
    assert before > 100  # 5 rounds of 16,384 pages, or of 32 where the system hands out huge ones
    assert after < before / 10


def test_what_the_environment_says_of_memory_is_left_alone():
    before, after = page_faults(MALLOC_TRIM_THRESHOLD_="131072")
    assert after > before / 2
