"""Commands that draw from a model and encode rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from cyclopts import Parameter
from torch import Tensor

from prioria.commands.impute import sample_given
from prioria.commands.opened import DataFile, ModelPlace, Opened
from prioria.data import Protocol, carried, written
from prioria.distributions import Words, is_binary, mean
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
) -> None:
    """Draw samples in the units of the data. A table has the columns of the data: names, kinds, categories by name.

    An .npz file has ``mean`` (means of values) and ``x`` (draws) in the shape of the data, bits as 0 and 1, documents
    as long as training rows, and the latents of every group; .npy the draws alone. With --given rows of a table are
    drawn from p(other columns | those given), and without --out they go to standard output.

    Args:
        num_samples: how many.
        given: of a table: COLUMN=VALUE, as in --given sex=male; may be given several times.
        seed: of the random numbers.
    """
    if num_samples < 1:
        raise ValueError(f"--num-samples {num_samples} must be at least 1")
    check_seed(seed)
    if given:
        return sample_given(model, given, num_samples, seed=seed, out=out)
    if out is None:
        raise ValueError("--out: name the file to write, as in --out samples.csv")
    written.check_written(out)
    opened = Opened.of(model)
    check_decided(opened.model.stages)
    check_memory("--num-samples", num_samples, COPIES * 4 * opened.protocol.dimensions)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        draw = opened.model.generate(num_samples)
        px = draw.px
        if isinstance(px, Words):
            px = px.of_length(carried.lengths(opened.protocol, num_samples))
        means, x = mean(px)[0], px.sample()[0]
    bits = is_binary(px)
    arrays: dict[str, Any] = {"x": _in_units(opened.protocol, x, bits), "mean": _in_units(opened.protocol, means, bits)}
    arrays |= {group: z[0] for group, z in draw.z.items()}
    written.write(out, lambda: written.frame(opened.protocol, x, bits=bits), arrays)
    print(f"{num_samples} samples in {out}")


def encode(
    model: ModelPlace,
    data: DataFile,
    /,
    *,
    out: OutFile,
    level: Annotated[str | None, Parameter(name=("--level", "--group"))] = None,
) -> None:
    """Encode rows: the posterior mean of each group of latents; the same file gives the same numbers.

    A table has the row's number, the identifiers of the data, and columns such as z_0; of classes these are their
    probabilities. An .npz file has an array for each group, .npy that of the first.

    Args:
        level: one latent group alone.
    """
    written.check_written(out)
    opened = Opened.of(model)
    check_decided(opened.model.stages)
    found = opened.rows(data)
    x = found.split.tensor()
    with torch.inference_mode():
        parts = [_encoded(opened.model, part, level) for part in x.split(ROWS)]
    arrays = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    written.write(out, lambda: _table(found.names, arrays), arrays)
    print(f"{len(x)} rows encoded in {out}")


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
    """Raises ValueError where a seed is below zero."""
    if seed < 0:
        raise ValueError(f"--seed {seed} must be at least 0")
