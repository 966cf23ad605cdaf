"""Commands that draw from a model and encode rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from cyclopts import Parameter
from torch import Tensor
from torch.distributions import Distribution

from prioria.commands.impute import sample_given
from prioria.commands.opened import DataFile, ModelPlace, Opened, Strict
from prioria.commands.parts import Cluster, Jobs, check_alone, of_each, over_parts
from prioria.data import Protocol, carried, written
from prioria.data.loading import NamedRows, read_named_rows
from prioria.data.own.parts import holds_parts
from prioria.distributions import has_length, is_binary, mean
from prioria.draw import Draw
from prioria.memory import check_memory
from prioria.model import VAE
from prioria.stage import check_decided

if TYPE_CHECKING:
    import pandas as pd

OutFile = Annotated[
    Path, Parameter(help="The file to write: a table (.csv, .tsv, .parquet, .feather, .xlsx, .json), or .npz or .npy.")
]
COPIES = 4  # of what is drawn, that are in memory at once
ROWS = 1000  # that are encoded at once


def sample(
    model: ModelPlace,
    /,
    *,
    out: OutFile | None = None,
    num_samples: Annotated[int, Parameter(name=("--num-samples", "-n"))] = 64,
    given: tuple[str, ...] = (),
    seed: int = 0,
    parts: int | None = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
) -> None:
    """Draw samples in the units of the data. A table has the columns of the data: names, kinds, categories by name.

    An .npz file has ``mean`` (means of values) and ``x`` (draws) in the shape of the data, bits as 0 and 1, documents
    as long as training rows, and the latents of every group; .npy the draws alone. With --given rows of a table are
    drawn from p(other columns | those given), and without --out they go to standard output.

    Args:
        num_samples: how many.
        given: of a table: COLUMN=VALUE, as in --given sex=male; may be given several times.
        seed: of the random numbers.
        parts: write so many parts of a table into the folder --out, as many rows in each; those that are there already
            are not drawn again.
    """
    if num_samples < 1:
        raise ValueError(f"--num-samples {num_samples} must be at least 1")
    check_seed(seed)
    if parts is not None:
        return _sample_parts(model, out, num_samples, given, parts, seed=seed, jobs=jobs, cluster=cluster)
    check_alone(jobs, cluster)
    if given:
        return sample_given(model, given, num_samples, seed=seed, out=out)
    if out is None:
        raise ValueError("--out: name the file to write, as in --out samples.csv")
    written.check_written(out)
    opened = Opened.of(model)
    check_decided(opened.model.stages)
    check_memory("--num-samples", num_samples, COPIES * 4 * opened.protocol.dimensions)
    draw, px, means, x = _drawn(opened, num_samples, seed)
    bits = is_binary(px)
    arrays: dict[str, Any] = {"x": _in_units(opened.protocol, x, bits), "mean": _in_units(opened.protocol, means, bits)}
    arrays |= {group: z[0] for group, z in draw.z.items()}
    written.write(out, lambda: written.frame(opened.protocol, x, bits=bits), arrays)
    print(f"{num_samples} samples in {out}")


def _drawn(opened: Opened, num_samples: int, seed: int) -> tuple[Draw, Distribution, Tensor, Tensor]:
    """Returns a draw from the model, p(x|z), its means, and rows of it."""
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        draw = opened.model.generate(num_samples)
        px = draw.px
        if has_length(px):
            px = px.of_length(carried.lengths(opened.protocol, num_samples))
        return draw, px, mean(px)[0], px.sample()[0]


def _sample_parts(
    model: Path,
    out: Path | None,
    num_samples: int,
    given: tuple[str, ...],
    parts: int,
    *,
    seed: int,
    jobs: int,
    cluster: str | None,
) -> None:
    if given:
        raise ValueError(f"--given {given[0]} and --parts {parts} do not go together; draw them into one file")
    if not 1 <= parts <= num_samples:
        raise ValueError(f"--parts {parts} must be from 1 to --num-samples, {num_samples}")
    opened = Opened.of(model)
    check_decided(opened.model.stages)
    check_memory("--num-samples", jobs * -(-num_samples // parts), COPIES * 4 * opened.protocol.dimensions)
    counts = [num_samples // parts + (number < num_samples % parts) for number in range(parts)]
    computes = {
        f"part-{number:0{len(str(parts - 1))}}.parquet": partial(sample_part, num_samples=count)
        for number, count in enumerate(counts)
    }
    about = {"command": "sample", "num_samples": num_samples, "parts": parts}
    over_parts(computes, model, None, out, about=about, seed=seed, jobs=jobs, cluster=cluster)


def sample_part(opened: Opened, rows: None, seed: int, *, num_samples: int) -> pd.DataFrame:
    """Returns what ``sample`` writes of one part."""
    _, px, _, x = _drawn(opened, num_samples, seed)
    return written.frame(opened.protocol, x, bits=is_binary(px))


def encode(
    model: ModelPlace,
    data: DataFile,
    /,
    *,
    out: OutFile,
    level: Annotated[str | None, Parameter(name=("--level", "--group"))] = None,
    strict: Strict = False,
    jobs: Jobs = 1,
    cluster: Cluster = None,
) -> None:
    """Encode rows: the posterior mean of each group of latents; the same file gives the same numbers.

    A table has the row's number, the identifiers of the data, and columns such as z_0; of classes these are their
    probabilities. An .npz file has an array for each group, .npy that of the first. Of a folder of .parquet, .feather
    or .arrow parts each becomes a part of the folder --out; those that are there already are not encoded again.

    Args:
        level: one latent group alone.
    """
    if holds_parts(Path(data)):
        check_decided(Opened.of(model).model.stages)
        computes = of_each(Path(data), partial(encode_part, level=level, strict=strict))
        about = {"command": "encode", "level": level}
        return over_parts(computes, model, Path(data), out, about=about, seed=0, jobs=jobs, cluster=cluster)
    check_alone(jobs, cluster)
    written.check_written(out)
    opened = Opened.of(model)
    check_decided(opened.model.stages)
    found = opened.rows(data, strict=strict)
    arrays = _codes(opened, found, level)
    written.write(out, lambda: _table(found.names, arrays), arrays)
    print(f"{len(found.split)} rows encoded in {out}")


def encode_part(
    opened: Opened, rows: pd.DataFrame, seed: int, *, level: str | None, strict: bool = False
) -> pd.DataFrame:
    """Returns what ``encode`` writes of one part."""
    found = read_named_rows(rows, opened.protocol, strict=strict, missing=not strict)
    return _table(found.names, _codes(opened, found, level))


def _codes(opened: Opened, found: NamedRows, level: str | None) -> dict[str, Tensor]:
    with torch.inference_mode():
        parts = [_encoded(opened.model, part, level) for part in found.split.tensor().split(ROWS)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _encoded(model: VAE, x: Tensor, level: str | None) -> dict[str, Tensor]:
    if level is not None:
        return {level: model.encode(x, level)}
    return {name: means[0] for name, _, means in model.at_means(x)}


def _table(names: pd.DataFrame, arrays: dict[str, Tensor]) -> pd.DataFrame:
    columns = dict(_columns(arrays))
    return names.assign(**{name: values.cpu().numpy() for name, values in columns.items()})


def _columns(arrays: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for group, values in arrays.items():
        for number, column in enumerate(values.flatten(1).T):
            yield f"{group}_{number}", column


def _in_units(protocol: Protocol, x: Tensor, bits: bool) -> Tensor:
    return (x if bits else protocol.unscaled(x)).unflatten(-1, protocol.shape)


def check_seed(seed: int) -> None:
    """Raises ValueError where a seed is below zero, or has more than 64 bits."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"--seed {seed} must be at least 0" + " and below 2^64" * (seed > 0))
