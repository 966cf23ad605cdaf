"""What every test and doctest shares: one seed, one thread, and where the real data are."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--campaign", type=int, default=15, help="faults of each kind that tests/faults injects")
    parser.addoption("--seed", type=int, default=0, help="seed of the global generator before each test")


def pytest_configure() -> None:
    torch.set_num_threads(1)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('--seed')}, real data: {os.environ.get('PRIORIA_DATA', 'none')}"


@pytest.fixture(autouse=True)
def seed(request: pytest.FixtureRequest) -> int:
    """Seeds torch's global generator; a test that asks for it gets the number."""
    number = request.config.getoption("--seed")
    torch.manual_seed(number)
    return number


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data, PRIORIA_DATA; tests that need it are marked ``data``."""
    if "PRIORIA_DATA" not in os.environ:
        pytest.skip("PRIORIA_DATA is not set: no real data to read")
    return Path(os.environ["PRIORIA_DATA"])


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Dask scheduler whose one worker, of two threads, lives in this process."""
    distributed = pytest.importorskip("distributed")
    options = {"processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as started:
        yield started.scheduler_address
