"""Runs to explore, and a server of them on a free port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import uvicorn

from prioria import presets
from prioria.cli import main
from prioria.ui import application

TOKEN = "only-for-tests"
QUICK = ("--epochs", "1", "--network.hidden", "20")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures under a VampPrior, two columns under N(0, I), and a table with holes and names under classes."""
    folder = tmp_path_factory.mktemp("runs")
    pictures = ["digits", "--prior", "vamp", "--prior.components", "5", "--latents", "3", *QUICK]
    table = [str(_table(folder / "table.csv"))]
    asked = {"pictures": pictures, "columns": ["two-moons", "--latents", "2", *QUICK], "classes": table}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "STEPS", 2)
        for name, choices in asked.items():
            with pytest.raises(SystemExit) as end:
                main(["train", *choices, "--out", str(folder / name)])
            assert not end.value.code
    return [folder / name for name in asked]


def _table(path: Path) -> Path:
    rng = np.random.default_rng(0)
    kind, noise = rng.integers(0, 3, 90), rng.normal(size=(2, 90))
    size = 4 * kind + noise[0]
    weight = 0.95 * size + 0.2 * noise[1]
    size[::7] = np.nan
    frame = pd.DataFrame({"size": size, "weight": weight, "<b>kind": [("<i>x", "y", "z")[each] for each in kind]})
    frame.to_csv(path, index=False)
    return path


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
