"""How every evaluation draws: in evaluation mode, without gradients, from random numbers of its own, in blocks.

A block is at most 1,000 rows: min(S, 1000) samples of one example, or, when S is smaller, of up to 100 consecutive
examples. Its noise is seeded by (seed, its first example, its number), and its size depends on S alone: what is drawn
for an example depends neither on how many examples follow nor on which process draws them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor
from torch.distributions import Distribution

from prioria import sizes
from prioria.data.base import evenly
from prioria.draw import Draw
from prioria.model import VAE, Condition, evaluation_mode
from prioria.stage import check_decided

ROWS = 1000  # of one block: a quarter of it takes 1.5 times as long on two cores, twice leaves the cache
EXAMPLES = 100  # of one block at most
UNUSED = 2**32 - 1  # near it are no numbers of examples or blocks


@runtime_checkable
class Rows(Sized, Protocol):
    """A split of a data set: rows on demand."""

    def tensor(self, limit: int | None = None) -> Tensor:
        """Returns ``limit`` rows (N, D) at even distances."""
        ...


Examples = Tensor | Rows | ArrayLike


@dataclass(frozen=True)
class Sampling:
    """What to draw: S samples for each of some examples.

    Attributes:
        model: the model.
        x: all rows (N, D), on any device.
        num_samples: S.
        seed: of all noise.
        examples: which of the rows.
        total: rows that x was taken from, at even distances.
        held: which rows (N,) the likelihood has probabilities for; None where it has for all.
    """

    model: VAE
    x: Float[Tensor, "N D"]
    num_samples: int
    seed: int
    examples: range
    total: int
    held: Tensor | None = None

    @property
    def batch_size(self) -> int:
        """Examples that are drawn together."""
        return max(1, min(EXAMPLES, ROWS // self.num_samples))

    @property
    def block_sizes(self) -> list[int]:
        """Samples in each block; they add up to S."""
        full, rest = divmod(self.num_samples, ROWS)
        return [ROWS] * full + [rest] * (rest > 0)

    def row(self, example: int) -> int:
        """Returns the place of an example among all rows that were given."""
        return int(evenly(self.total, len(self.x))[example])

    def warn(self, pointwise: Tensor) -> None:
        """Warns of examples without a finite estimate, and names the first."""
        if len(lost := (~pointwise.isfinite()).nonzero().squeeze(-1).tolist()):
            others = f" and {len(lost) - 1} more rows" if len(lost) > 1 else ""
            warnings.warn(
                f"x[{self.row(self.examples[lost[0]])}]{others}: no finite log-likelihood, which counts as -inf; the "
                "row is far from the data, or the model's weights are not finite",
                stacklevel=3,
            )

    @property
    def batches(self) -> Iterator[Batch]:
        """The batches that hold the examples, each conditioned once; the unconditional prior is shared by all."""
        prior = None
        for first in _starts(self.examples, self.batch_size):
            members = torch.arange(first, first + self.batch_size)
            # The last batch is filled up with its last row, so that its noise is what it would be in a longer data set.
            rows = self.x[members.clamp(max=len(self.x) - 1)].to(device_of(self.model))
            condition = self.model.condition(rows, prior=prior)
            prior = condition.top[0]
            yield Batch(self, condition, first)


@dataclass(frozen=True)
class Batch:
    """Consecutive examples, conditioned once.

    Attributes:
        sampling: what to draw.
        condition: the model conditioned on the rows of the batch.
        first: number of its first example.
    """

    sampling: Sampling
    condition: Condition
    first: int

    @property
    def draws(self) -> Iterator[Draw]:
        """One Draw for each block, S samples in all."""
        for number, size in enumerate(self.sampling.block_sizes):
            seed_generators(device_of(self.sampling.model), (self.sampling.seed, self.first, number))
            draw = self.condition.draw(size)
            if number == 0 and self.first <= self.sampling.examples.start:  # before any other row costs time
                sizes.check_range(self.sampling.x, draw.px)
            yield draw

    @property
    def wanted(self) -> slice:
        """The positions in the batch of the examples that were asked for."""
        examples = self.sampling.examples
        return slice(max(0, examples.start - self.first), min(self.sampling.batch_size, examples.stop - self.first))

    def numbers(self, log_mean: Tensor) -> Tensor:
        """Returns the log-means of the wanted examples, -inf in place of what is not finite.

        Raises:
            ValueError: the row itself is not finite; its number is that among all rows that were given.
        """
        lost = ~log_mean.isfinite()
        for example in (self.first + self.wanted.start + lost.nonzero().squeeze(-1)).tolist():
            if not self.sampling.x[example].isfinite().all():
                raise _not_finite(self.sampling.row(example))
        return log_mean.masked_fill(lost, -math.inf)


@contextmanager
def measuring(model: VAE) -> Iterator[None]:
    """Evaluation mode, no gradients, and a fork of the random numbers; all as before afterwards.

    Raises:
        ValueError: a part of the model itself is still random, such as the gates of a dependency graph.
    """
    check_decided(model.stages)
    device = device_of(model)
    devices = [device] if device.type == "cuda" else []
    with evaluation_mode(model), torch.random.fork_rng(devices), torch.inference_mode():
        yield


def has_density(model: VAE) -> bool:
    """Whether every posterior of a model has a density; a point in place of one has none."""
    return all(getattr(stage.q, "has_density", True) for stage in model.stages.values())


def require_density(model: VAE) -> None:
    """Raises ValueError where a posterior has no density, so that there is neither a bound nor an importance weight."""
    for name, stage in model.stages.items():
        if not getattr(stage.q, "has_density", True):
            raise ValueError(
                f"group {name!r} is inferred by {type(stage.q).__name__}, which has no density: there is no bound on "
                "log p(x); look at the distortion, or train with posteriors.Gaussian"
            )


def sampling_of(
    model: VAE,
    x: Examples,
    num_samples: int,
    seed: int,
    *,
    limit: int | None,
    examples: range | None = None,
    lenient: bool = False,
) -> Sampling:
    """Reads the rows and checks what was asked for; to be called while :func:`measuring`.

    With ``lenient``, rows that the likelihood has no probability for are marked in ``held`` and stop no other.

    Raises:
        ValueError: no sample, no example, a negative seed, examples that are not in x, or rows that do not fit
            the model.
    """
    sizes.check_count("num_samples", num_samples)
    check_seed(seed)
    seed_generators(device_of(model), (seed,))  # a split with dynamic binarization draws its rows
    rows = x if isinstance(x, Rows) else sizes.as_rows(model, x)
    total = len(rows)
    if isinstance(rows, Rows):
        rows = rows.tensor(limit)
    elif limit is not None:
        rows = rows[evenly(total, limit)]
    held = None
    if lenient:
        rows, held = sizes.within(model, rows)
    elif (lost := sizes.unreadable(model, rows)) is not None:
        raise _not_finite(int(evenly(total, len(rows))[lost]))
    examples = range(len(rows)) if examples is None else examples
    if not (0 <= examples.start < examples.stop <= len(rows) and examples.step == 1):
        raise ValueError(f"examples={examples} of x with {len(rows)} rows: give at least one row, and ranges inside x")
    return Sampling(model, rows, num_samples, seed, examples, total, held)


def check_seed(seed: int) -> None:
    """Raises ValueError where a seed is negative or no whole number."""
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed={seed!r} must not be negative, and a whole number")
    if seed >= 2**64:
        raise ValueError(f"seed={seed} has more than 64 bits; give a smaller one")


def _not_finite(row: int) -> ValueError:
    return ValueError(f"x[{row}] has a value that is not a number or infinite; check the row")


def rows_and_likelihood(model: VAE, x: Examples, seed: int, *, limit: int | None) -> tuple[Tensor, Distribution]:
    """Returns the rows (N, D) that every evaluation with this seed reads, and p(x|z) at a draw for the first of them.

    Raises:
        ValueError: as for :func:`sampling_of`.
    """
    with measuring(model):
        sampling = sampling_of(model, x, 1, seed, limit=limit)
        return sampling.x.clone(), next(next(sampling.batches).draws).px


def device_of(model: VAE) -> torch.device:
    """Returns the device that the model's parameters are on."""
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _starts(examples: range, size: int) -> range:
    return range(examples.start // size * size, examples.stop, size)


def seed_generators(device: torch.device, key: tuple[int, ...]) -> None:
    """Seeds the generators of the processor and of the device from up to three numbers, while :func:`measuring`.

    Keys of other lengths are other keys: numpy itself takes (s,), (s, 0) and (s, 0, 0) for one, and the noise that data
    are simulated with would be that of the first block of samples.
    """
    padded = key + (UNUSED - len(key),) * (3 - len(key))
    seed_device(device, int(np.random.SeedSequence(padded).generate_state(1, np.uint64)[0]))


def seed_device(device: torch.device, seed: int) -> None:
    """Seeds the generators that :func:`measuring` has saved; ``torch.manual_seed`` reseeds those of all devices."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
