"""Devices, precision and processes: the one place where accelerate is set up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout
from torch import distributed
from torch.distributed import PrefixStore, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from prioria.data.files import user_cache

if TYPE_CHECKING:
    from accelerate import Accelerator

DEVICE = "ACCELERATE_TORCH_DEVICE"


def accelerator(*, bf16: bool, device: str = "auto") -> Accelerator:
    """Returns a new Accelerator for this training.

    Args:
        bf16: whether networks run in bfloat16.
        device: where; "auto" takes the accelerator where there is one.

    Raises:
        ValueError: there is no such device, or a launcher started several processes, and this one stands alone.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState

    _join_restarted()
    AcceleratorState._reset_state(reset_partial_state=True)  # a process keeps one, and its precision, for ever
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    with _on(device, several):
        # on a machine without GPUs processes of torchrun are joined on the CPU only where it is asked for
        found = Accelerator(
            cpu=device == "cpu" or (several and not torch.accelerator.is_available()),
            mixed_precision="bf16" if bf16 else "no",
            # an objective may leave parameters out at some steps, such as those of a phase
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
    if several and found.num_processes == 1:
        raise ValueError(
            f"WORLD_SIZE={os.environ['WORLD_SIZE']} says that several processes were started, and they have not joined "
            f"on {found.device.type}: each would train a model of its own; start one process, or pass device='cpu'"
        )
    return found


def device_of_small(device: str) -> torch.device:
    """Returns where networks of a few hundred units are trained: for "auto" the CPU, which has done them the soonest.

    Raises:
        ValueError: there is no such device.
    """
    return torch.device("cpu") if device in ("auto", "cpu") else accelerator(bf16=False, device=device).device


@contextmanager
def _on(device: str, several: bool) -> Iterator[None]:
    """Has accelerate take this device, whose name it reads from the environment."""
    if device in ("auto", "cpu"):
        yield
        return
    check_device(device)
    if several:
        raise ValueError(f"device={device!r} is of one process, and a launcher started several; leave it out")
    before = os.environ.get(DEVICE)
    os.environ[DEVICE] = device
    try:
        yield
    finally:
        if before is None:
            del os.environ[DEVICE]
        else:
            os.environ[DEVICE] = before


def check_device(device: str) -> None:
    """Raises ValueError where a device is none, or not of this machine."""
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device={device!r} is no device; use auto, cpu, cuda, cuda:1, mps or xpu") from None
    if wanted.type == "cpu":
        return
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    count = 0 if found is None or found.type != wanted.type else torch.accelerator.device_count()
    if (wanted.index or 0) >= count:
        there = "no accelerator" if found is None else f"{torch.accelerator.device_count()} of {found.type}"
        raise ValueError(f"device={device!r} is not of this machine, which has {there}; leave it out, or use cpu")


def place(out: str | Path) -> Path:
    """Returns the folder of a run; ValueError where a name is none, or there is something else."""
    if str(out).strip() in ("", "."):  # an empty path is the folder that one is in
        raise ValueError(f"out={str(out)!r} names no folder of its own; give one, such as runs/first")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out={str(out)!r} is no folder; give another name")
    return folder


def is_first() -> bool:
    """Whether this is the first process of a launcher, or the only one: the one that speaks."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def alone(folder: Path | None) -> Iterator[None]:
    """Holds the folder of a run, if there is one, for this process alone; the lock dies with it.

    Raises:
        ValueError: another process holds it. Both would write one checkpoint and one file of metrics.
    """
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".training.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"out={str(folder)!r} is being trained by another process; wait until it ends, or choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def compiled(step: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """Returns a step whose operators are fused, with the draws that it has without.

    Raises:
        ValueError: there is no C++ compiler for a step on the CPU.
    """
    compiler = os.environ.get("CXX", "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise ValueError(f"compile=True needs a C++ compiler, and there is no {compiler}; install it, or leave it out")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache() / "compiled"))  # the next run is quicker there
    return torch.compile(step, options={"fallback_random": True})


def _join_restarted() -> None:
    # torchrun keeps one store for all its attempts, in which the addresses of processes that died still stand
    # (pytorch issue 135712): a restarted process joins under names of its attempt. Only one host counts attempts alike.
    environment = os.environ
    attempt = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    shared = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True" and environment.get("GROUP_WORLD_SIZE") == "1"
    if attempt == "0" or not shared or distributed.is_initialized():
        return
    store = TCPStore(environment["MASTER_ADDR"], int(environment["MASTER_PORT"]), is_master=False)
    distributed.init_process_group(
        store=PrefixStore(f"attempt-{attempt}", store),
        rank=int(environment["RANK"]),
        world_size=int(environment["WORLD_SIZE"]),
    )
