"""Commands over folders of parts: one part in, one part out, each by whoever is free, none of them twice."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from cyclopts import Parameter
from tqdm import tqdm

from prioria import workers
from prioria.atomic import check_place
from prioria.commands.opened import Opened, check_outside
from prioria.data import carried, written
from prioria.data.own.parts import Parts, part_names
from prioria.storage import FORMAT, digest_of_tensors, read_sealed, write_sealed

if TYPE_CHECKING:
    import pandas as pd

Jobs = Annotated[int, Parameter(help="Of a folder of parts: how many are worked on at once, by a local Dask cluster.")]
Cluster = Annotated[
    str | None,
    Parameter(help="Of a folder of parts: a Dask scheduler, tcp://host:8786, whose workers see the same folders."),
]

RECORD = "_prioria.json"  # what the parts are of; readers of folders of parts pass over names that begin so

Compute = Callable[..., "pd.DataFrame"]  # of an opened model, the rows of a part and a seed


@dataclass(frozen=True)
class Job:
    """One part to make.

    Attributes:
        compute: makes the rows of the new part from the opened model, those of the part, and a seed.
        model: where the model is.
        digest: of the model.
        folder: of the parts; None where there are none, and new ones are drawn.
        part: name of the part below the folder.
        out: the file to write.
        seed: of all noise of this part.
    """

    compute: Compute
    model: Path
    digest: str
    folder: Path | None
    part: str
    out: Path
    seed: int

    @property
    def is_done(self) -> bool:
        """Whether the new part is there, and no older than that which it was made from."""
        if not self.out.exists():
            return False
        return self.folder is None or self.out.stat().st_mtime_ns >= (self.folder / self.part).stat().st_mtime_ns


@dataclass(frozen=True)
class Outcome:
    """What came of a part: its rows, or what was wrong with it."""

    rows: int = 0
    error: str = ""


def over_parts(
    computes: Mapping[str, Compute],
    model: Path,
    folder: Path | None,
    out: Path | None,
    *,
    about: Mapping[str, Any],
    seed: int,
    jobs: int = 1,
    cluster: str | None = None,
) -> None:
    """Makes new parts of a table, those that are not there yet, and says how many.

    Each has noise of its own seed, from that of the command and its name, and one thread: numbers do not depend on how
    many workers there are, nor on which parts were made before. A part that cannot be read or does not fit the model
    is left out, the others are made, and the error names it at the end.

    Args:
        computes: by the name of each part, what makes its rows.
        model: where the model is.
        folder: of the parts that are read; None where there are none.
        out: the folder to write into.
        about: the command and its options, which must be those of the parts that are there already.
        seed: of the command.
        jobs: as for :func:`prioria.workers.each`.
        cluster: as for :func:`prioria.workers.each`.

    Raises:
        ValueError: no folder to write into, or one with other things in it; or parts that failed, the first named.
    """
    workers.check(jobs, cluster)
    if out is None:
        raise ValueError(f"--out: {folder} is a folder of parts; name a folder for the new ones, as in --out scores")
    _check_folder(out, folder)
    digest = digest_of(Opened.of(model))
    place = model.absolute() if model.exists() else model  # of the Hub
    target, source = out.absolute(), None if folder is None else folder.absolute()
    every = [
        Job(compute, place, digest, source, name, (target / name).with_suffix(".parquet"), _seed(seed, name))
        for name, compute in computes.items()
    ]
    if len(by_place := {job.out: job for job in every}) < len(every):
        twice = next(job for job in every if by_place[job.out] is not job)
        raise ValueError(f"{folder}: two parts would be written to one {twice.out.name}; rename {twice.part}")
    _check_record(out, {"model": digest, "seed": seed, **about}, [job.out for job in every])
    wanted = [job for job in every if not job.is_done]
    done = workers.each(make, wanted, key=lambda job: f"{job.out} {digest}", jobs=jobs, cluster=cluster)
    outcomes = {job: outcome for job, outcome in tqdm(done, total=len(wanted), unit="part", disable=None)}
    failed = {job: outcome.error for job, outcome in outcomes.items() if outcome.error}
    rows = sum(outcome.rows for outcome in outcomes.values())
    kept = len(every) - len(wanted)
    there = f"; {kept} were there already" if kept else ""
    print(f"{len(wanted) - len(failed)} parts with {rows:,} rows in {out}{there}")
    if failed:
        first = min(failed, key=lambda job: job.part)
        raise ValueError(f"{len(failed)} of {len(every)} parts failed, the first: {failed[first]}")


def make(job: Job) -> Outcome:
    """Makes one part, unless another driver has made it by now; bad rows are an outcome, and stop no other part."""
    if job.is_done:
        return Outcome()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of several threads are rounded otherwise
    try:
        frame = None if job.folder is None else Parts.of(job.folder, (job.part,)).part(job.part)
        table = job.compute(_opened(job.model, job.digest), frame, job.seed)
        written.write(job.out, lambda: table, {})
        return Outcome(len(table))
    except (ValueError, OSError) as error:
        return Outcome(error=f"{job.part}: {error}")
    finally:
        torch.set_num_threads(threads)


@functools.lru_cache(maxsize=1)
def _opened(model: Path, digest: str) -> Opened:
    found = Opened.of(model)
    if digest_of(found) != digest:
        raise ValueError(f"{model} is another model here than where the command was given; let all see one folder")
    return found


def digest_of(opened: Opened) -> str:
    """A digest of a model's numbers and of how it treats rows."""
    return digest_of_tensors(opened.model.state_dict(), carried.to_json(opened.protocol))


def _seed(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4]) >> 1


def _check_folder(out: Path, folder: Path | None) -> None:
    if out.suffix.lower() in (*written.WRITERS, *written.ARRAYS) or out.is_file():
        raise ValueError(f"--out {out} names a file, and there are several parts; name a folder, as in --out scores")
    if folder is not None:
        check_outside(out, folder, "parts")
    check_place(out / RECORD)


def _check_record(out: Path, about: Mapping[str, Any], targets: Sequence[Path]) -> None:
    """Writes what the parts are of; refuses a folder whose parts are of something else."""
    path = out / RECORD
    there = next((target for target in targets if target.exists()), None)
    if there is None:
        return write_sealed(path, {"format": FORMAT, **about})
    if not path.exists():
        raise ValueError(f"--out {out} holds {there.name}, which this command did not write; choose another folder")
    before = read_sealed(path, "a folder of parts")
    for name, value in about.items():
        if before.get(name) != value:
            raise ValueError(
                f"--out {out} holds parts of another {name} ({before.get(name)}, now {value}); choose another folder, "
                "or remove it"
            )


def of_each(folder: Path, compute: Compute) -> dict[str, Compute]:
    """One way to make the rows, for every part of a folder."""
    return dict.fromkeys(part_names(folder), compute)


def check_alone(jobs: int, cluster: str | None) -> None:
    """Raises ValueError where workers are asked for, and there is no folder of parts to share."""
    for option, given in (("--jobs", jobs != 1), ("--cluster", cluster is not None)):
        if given:
            raise ValueError(f"{option} is for folders of parts, which share their work; leave it out for one file")
