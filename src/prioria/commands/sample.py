"""Commands that take a trained model to numbers: samples, encodings, scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter
from numpy.typing import NDArray
from torch import Tensor

from prioria import evaluate, likelihoods
from prioria.data import DataError, Split, load
from prioria.data.known.catalogue import BY_NAME
from prioria.data.loading import read_rows
from prioria.data.written import check_written, write_arrays
from prioria.distributions import Words, mean
from prioria.memory import check_memory
from prioria.stage import check_decided
from prioria.train import Run

COPIES = 4  # of what is drawn, that are in memory at once

RunFolder = Annotated[Path, Parameter(help="Folder of a run, as prioria train wrote it.")]
DataFile = Annotated[
    str, Parameter(help="A data set's name (its test split), or a file of rows like the training data.")
]
OutFile = Annotated[Path, Parameter(help="The file to write: .npz with all arrays, or .npy, .csv or .parquet.")]


def sample(run: RunFolder, *, out: OutFile, num_samples: int = 64, seed: int = 0) -> None:
    """Draw samples: arrays ``mean`` (means of values) and ``x`` (draws) in the units and the shape of the data, bits
    as 0 and 1, documents as long as random training rows, and the latents of every group.

    Args:
        num_samples: how many.
        seed: of the random numbers.
    """
    if num_samples < 1:
        raise ValueError(f"--num-samples {num_samples} must be at least 1")
    check_seed(seed)
    check_written(out)
    opened = Run.load(run)
    check_decided(opened.model.stages)
    check_memory("--num-samples", num_samples, COPIES * 4 * opened.data.dimensions)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        draw = opened.model.generate(num_samples)
        px = draw.px
        if isinstance(px, Words):
            train = opened.data.train
            px = px.of_length(train.batch(torch.randint(len(train), (num_samples,))).sum(-1, keepdim=True))
        values = {"mean": mean(px)[0], "x": px.sample()[0]}
    arrays = {name: _as_in_the_data(opened, value) for name, value in values.items()}
    arrays |= {group: z[0] for group, z in draw.z.items()}
    write_arrays(out, numpy(arrays), main="x")
    print(f"{num_samples} samples in {out}")


def encode(
    run: RunFolder,
    data: DataFile,
    *,
    out: OutFile,
    level: Annotated[str | None, Parameter(name=("--level", "--group"))] = None,
) -> None:
    """Encode rows: array ``z``, the posterior mean of a group for each row; the same file gives the same numbers.

    Args:
        level: latent group, the top one by default.
    """
    check_written(out)
    opened = Run.load(run)
    check_decided(opened.model.stages)
    x = rows(opened, data).tensor()
    with torch.inference_mode():
        z = torch.cat([opened.model.encode(part, level) for part in x.split(1000)])
    write_arrays(out, numpy({"z": z}), main="z")
    print(f"{len(z)} rows encoded in {out}")


def score(
    run: RunFolder, data: DataFile, *, out: OutFile | None = None, num_samples: int = 1000, seed: int = 0
) -> None:
    """Score rows: array ``log_likelihood``, log p(x) of each row in nats; the lower, the stranger the row.

    Args:
        num_samples: importance samples for each row.
        seed: of the random numbers.
    """
    check_seed(seed)
    if out is not None:
        check_written(out)
    opened = Run.load(run)
    split = rows(opened, data)
    if isinstance(opened.model.likelihood, likelihoods.Categorical):
        opened.model.likelihood.check(split.maximum(), data)
    estimate = evaluate.log_likelihood(opened.model, split, num_samples=num_samples, seed=seed)
    print(f"log-likelihood {estimate}" + (f", rows in {out}" if out is not None else ""), flush=True)
    if out is not None:
        write_arrays(out, numpy({"log_likelihood": estimate.pointwise}), main="log_likelihood")
    if note := opened.data.protocol.note:
        print(f"Note: {note}")


def rows(run: Run, source: str) -> Split:
    """Returns rows scaled, and where training binarized binarized once, as the model was trained.

    A path that exists comes before a known data set of the same name.

    Raises:
        DataError: the rows do not fit the model, or there are none.
    """
    if Path(source).exists() or source not in BY_NAME:
        return read_rows(source, run.data.protocol)
    if (run.data.origin or {}).get("source") == source:
        return run.data.test
    test, shape = load(source).test, run.data.shape
    if test.protocol.shape != shape:
        raise DataError(f"{source} has rows of shape {test.protocol.shape}, but the model is for {shape}")
    return read_rows(test.rows if test.members is None else test.rows[test.members], run.data.protocol)


def _as_in_the_data(run: Run, x: Tensor) -> Tensor:
    values = x if isinstance(run.model.likelihood, likelihoods.Bernoulli) else run.data.protocol.unscaled(x)
    return values.unflatten(-1, run.data.shape)


def numpy(arrays: dict[str, Tensor]) -> dict[str, NDArray]:
    """Returns arrays as files hold them."""
    return {name: array.cpu().numpy() for name, array in arrays.items()}


def check_seed(seed: int) -> None:
    """Raises ValueError where a seed is below zero."""
    if seed < 0:
        raise ValueError(f"--seed {seed} must be at least 0")
