"""Runs to explore, and a server of them on a free port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from prioria.cli import main
from prioria.ui import application

TOKEN = "only-for-tests"
QUICK = ("--epochs", "1", "--network.hidden", "20")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures under a VampPrior, and two columns under N(0, I)."""
    folder = tmp_path_factory.mktemp("runs")
    pictures = ["digits", "--prior", "vamp", "--prior.components", "5", "--latents", "3"]
    for name, choices in {"pictures": pictures, "columns": ["two-moons", "--latents", "2"]}.items():
        with pytest.raises(SystemExit) as end:
            main(["train", *choices, *QUICK, "--out", str(folder / name)])
        assert not end.value.code
    return [folder / "pictures", folder / "columns"]


@pytest.fixture(scope="session")
def address(runs: list[Path]) -> Iterator[str]:
    """Where the explorer of the runs answers."""
    served = {"host": "127.0.0.1", "port": 0, "log_level": "error", "ws": "websockets-sansio"}
    server = uvicorn.Server(uvicorn.Config(application(runs, TOKEN), **served))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
