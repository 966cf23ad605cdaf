"""A grid on several workers: the numbers of one, whatever is killed, and one process at a time on a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import prioria
from prioria.cli import main
from prioria.papers import Cell, compute
from prioria.train import checkpoint
from tests.papers.tiny import TABLE, cells_in

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return numbers(compute(cell) for cell in cells_in(tmp_path_factory.mktemp("undisturbed")))


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen]]:
    """Starts drivers of the tiny table; none is left behind."""
    drivers: list[subprocess.Popen] = []

    def start(jobs: int) -> subprocess.Popen:
        program = "import sys; from tests.papers.tiny import main; main(*sys.argv[1:])"
        command = [sys.executable, "-c", program, str(tmp_path), str(jobs)]
        pipe = subprocess.PIPE
        drivers.append(subprocess.Popen(command, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.kill()
        driver.communicate()


def numbers(results: Any) -> dict[str, Any]:
    """What must not depend on who computed it."""
    fixed = ("log_likelihood", "elbo", "active_units", "parameters", "epochs_run")
    return {result["row"]: {name: result[name] for name in fixed} for result in results}


def kept(folder: Path) -> dict[str, Any]:
    return numbers(json.loads(path.read_text()) for path in (folder / "results").rglob("*.json"))


def processes(cell: Cell) -> list[int]:
    path = cell.folder / "processes"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def under_way(cell: Cell) -> bool:
    """Whether there are more checkpoints than that of step zero, and no result yet."""
    return (cell.folder / checkpoint.NAME).exists() and checkpoint.read_state(cell.folder)["step"] > 0


def wait_for(condition: Callable[[], bool], driver: subprocess.Popen) -> None:
    deadline = time.monotonic() + 900
    while not condition():
        assert driver.poll() is None, driver.communicate()[1][-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def finished(driver: subprocess.Popen) -> str:
    out, err = driver.communicate(timeout=900)
    assert driver.returncode == 0, err[-2000:]
    return out


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_no_number(tmp_path: Path, started, undisturbed) -> None:
    pytest.importorskip("distributed")
    few, many = cells_in(tmp_path)
    driver = started(2)
    wait_for(lambda: under_way(few), driver)
    os.kill(processes(few)[0], signal.SIGKILL)
    assert few.result is None  # it was killed in mid-run
    assert sorted(finished(driver).split()) == ["few", "many"]
    assert len(set(processes(few))) == 2 and processes(few)[0] not in processes(many)
    assert kept(tmp_path) == undisturbed


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_no_finished_run(tmp_path: Path, started, undisturbed) -> None:
    few, many = cells_in(tmp_path)
    driver = started(1)
    wait_for(lambda: under_way(many), driver)
    driver.kill()
    driver.wait()
    assert few.result is not None and many.result is None
    before = (few.folder / "result.json").stat().st_mtime_ns
    finished(started(1))
    assert (few.folder / "result.json").stat().st_mtime_ns == before
    assert len(processes(few)) == 1 and len(processes(many)) == 2
    assert kept(tmp_path) == undisturbed


@pytest.mark.slow
def test_two_drivers_do_not_write_one_run_at_the_same_time(tmp_path: Path, started, undisturbed) -> None:
    drivers = [started(1), started(1)]
    for driver in drivers:
        assert finished(driver).split() == ["few", "many"]
    assert [len(processes(cell)) for cell in cells_in(tmp_path)] == [1, 1]
    assert kept(tmp_path) == undisturbed


CLUSTER = """
import sys
from distributed import LocalCluster
from pathlib import Path
from prioria.papers import computed
from tests.papers.tiny import cells_in

options = {"processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
with LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster:
    for cell, _ in computed(cells_in(Path(sys.argv[1])), cluster=cluster.scheduler_address):
        print(cell.row.name)
"""


@pytest.mark.slow
def test_a_cluster_by_its_address_gives_the_same_numbers_from_workers_of_two_threads(tmp_path, undisturbed) -> None:
    pytest.importorskip("distributed")
    command = [sys.executable, "-c", CLUSTER, str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert sorted(ended.stdout.split()) == ["few", "many"]
    assert kept(tmp_path) == undisturbed


def test_a_result_says_which_code_made_it(tmp_path: Path) -> None:
    result = json.loads(json.dumps(compute(cells_in(tmp_path)[0])))
    known = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, check=False)
    commit = result["version"].get("commit", "").removesuffix("-dirty")
    assert commit == known.stdout.decode().strip()
    assert result["version"]["prioria"] == prioria.__version__ and result["budget"]["name"] == "cpu"


def test_what_a_grid_refuses(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["reproduce", "vampprior", "--budget", "smoke"]
    monkeypatch.setitem(sys.modules, "distributed", None)
    for arguments, message in {
        ("--jobs", "0"): "at least 1",
        ("--jobs", "2", "--cluster", "tcp://localhost:1"): "give one of them",
        ("--jobs", "2"): "pip install 'prioria[cluster]'",
    }.items():
        with pytest.raises(SystemExit, match="2"):
            main([*command, *arguments])
        assert message in capsys.readouterr().err


def test_a_cell_is_named_by_table_data_row_budget_and_seed(tmp_path: Path) -> None:
    assert cells_in(tmp_path)[1].folder == tmp_path / "runs" / TABLE.name / "digits" / "many" / "cpu-seed-0"
