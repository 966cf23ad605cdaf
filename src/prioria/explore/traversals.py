"""Straight lines: between two encodings in the generation space, and along single latents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prioria.evaluate import aggregate_posterior
from prioria.evaluate.sampling import Examples, device_of, measuring
from prioria.explore.paths import Path, decoded, encoded_pairs, resample
from prioria.flows import from_generation, to_generation
from prioria.model import VAE

HALVINGS = 24  # of a stretch of z0, after which single precision has no point between two others


def generation_lines(
    model: VAE, starts: Float[Tensor, "P D"], ends: Float[Tensor, "P D"], *, nodes: int = 50
) -> list[Path]:
    """Returns lines that are straight in the generation space z0 = g(z), between the encodings of pairs of examples.

    Under the standard normal prior g is the identity and they are those of :func:`prioria.explore.straight`.

    Args:
        model: a model whose top prior has a generation space: a flow or a diagonal Gaussian.
        starts: rows of data.
        ends: as many rows of data.
        nodes: points on each line, its ends included.

    Raises:
        ValueError: the prior has no generation space, there are not as many ends as starts, or none, or fewer than
            two points.
    """
    lines = []
    for pair in encoded_pairs(model, starts, ends):
        with measuring(model):
            prior = model.top.prior(None)
            line = resample(to_generation(prior, pair.to(device_of(model))).cpu(), nodes)
            z = from_generation(prior, line.to(device_of(model))).cpu()
        z = z.clone()  # outside of inference mode: an ordinary tensor
        lines.append(Path(z, decoded(model, z), float(z.diff(dim=0).norm(dim=-1).sum())))
    return lines


def _curve(model: VAE, pair: Float[Tensor, "2 L"], nodes: int) -> Float[Tensor, "T L"]:
    """Returns the line that is straight in z0, no step in z longer than those of the straight line with these nodes.

    A flow squeezes a pocket of q(z) into a short stretch of z0, which nodes at equal distances there would step over.
    """
    longest = 1.001 * float((pair[1] - pair[0]).norm()) / (nodes - 1)
    with measuring(model):
        prior = model.top.prior(None)
        start, end = to_generation(prior, pair.to(device_of(model))).unsqueeze(1)
        t = torch.linspace(0, 1, nodes).to(start)
        for _ in range(HALVINGS):
            z = from_generation(prior, start + t[:, None] * (end - start))
            wide = z.diff(dim=0).norm(dim=-1) > longest
            if not wide.any():
                break
            t = torch.cat([t, (t[1:] + t[:-1])[wide] / 2]).sort().values
    return z.cpu().clone()


def lowest_density(model: VAE, x: Examples, paths: Sequence[Path], *, limit: int | None = None) -> Float[Tensor, " P"]:
    """Returns the lowest log-density of the aggregate posterior along each path, nats.

    Args:
        model: the model of the paths.
        x: rows (N, D) whose posteriors make q(z), or a split of a data set.
        paths: through the latent space of the top group.
        limit: take so many rows only, at even distances.

    Raises:
        ValueError: a posterior without a density elsewhere (a flow).
    """
    return _lowest(model, x, [path.z for path in paths], limit)


def _lowest(model: VAE, x: Examples, lines: Sequence[Tensor], limit: int | None) -> Float[Tensor, " P"]:
    q = aggregate_posterior(model, x, limit=limit)
    shape = (-1, *q.event_shape)  # a line holds feature maps as vectors
    return torch.stack([q.log_prob(z.to(device_of(model)).reshape(shape)).min().cpu() for z in lines])


@dataclass(frozen=True, eq=False)
class LineDensities:
    """The lowest aggregate density along two lines between the same encodings, nats.

    Attributes:
        representation: along the line that is straight in z (P,).
        generation: along the line that is straight in z0 (P,).
    """

    representation: Float[Tensor, " P"]
    generation: Float[Tensor, " P"]

    @property
    def difference(self) -> tuple[float, float]:
        """Mean of generation - representation over pairs and its standard error, nan for a single one.

        Positive: fewer pockets crossed.
        """
        gain = (self.generation - self.representation).double()
        error = math.nan if len(gain) < 2 else gain.std().item() / math.sqrt(len(gain))
        return gain.mean().item(), error

    def to_json(self) -> dict[str, Any]:
        """Returns means, their difference and its error as JSON values."""
        mean, error = self.difference
        return {
            "representation": self.representation.mean().item(),
            "generation": self.generation.mean().item(),
            "difference": mean,
            "standard_error": None if math.isnan(error) else error,
            "pairs": len(self.generation),
            "unit": "nats",
        }


def line_densities(
    model: VAE,
    x: Examples,
    starts: Float[Tensor, "P D"],
    ends: Float[Tensor, "P D"],
    *,
    nodes: int = 100,
    limit: int | None = None,
) -> LineDensities:
    """Compares lines that are straight in z with lines that are straight in z0, by the lowest density they cross.

    Nodes are as near to each other in z on both, however a flow stretches the second.

    Args:
        model: a model whose top prior has a generation space.
        x: rows (N, D) whose posteriors make q(z), or a split of a data set.
        starts: rows of data; the paper's figure shows single pairs, 100 make a number.
        ends: as many rows of data.
        nodes: points on the line that is straight in z; on the other as many or more.
        limit: take so many rows of ``x`` only, at even distances.

    Raises:
        ValueError: the prior has no generation space, or the posterior no density elsewhere.
    """
    pairs = encoded_pairs(model, starts, ends)
    t = torch.linspace(0, 1, nodes)[:, None]
    lines = [*(start + t * (end - start) for start, end in pairs), *(_curve(model, pair, nodes) for pair in pairs)]
    return LineDensities(*_lowest(model, x, lines, limit).chunk(2))


@dataclass(frozen=True, eq=False)
class FactorTraversal:
    """What one example becomes when a single latent moves.

    Attributes:
        values: of the latent that moves (J, T).
        frames: means of p(x|z) (J, T, D).
        dimensions: the latents that were moved, J.
    """

    values: Float[Tensor, "J T"]
    frames: Float[Tensor, "J T D"]
    dimensions: tuple[int, ...]


def factor_traversal(
    model: VAE,
    x: Float[Tensor, "N D"],
    *,
    example: int = 0,
    dimensions: Sequence[int] | None = None,
    steps: int = 11,
) -> FactorTraversal:
    """Moves one latent of the top group at a time over the range of the encodings, the others held at an encoding.

    Args:
        model: the model.
        x: rows of data, whose encodings say from where to where (their 1 % and 99 % quantiles) each latent moves.
        example: the row whose encoding the other latents are held at.
        dimensions: the latents to move, all by default.
        steps: T.

    Raises:
        ValueError: a latent or an example that does not exist, or no step.
    """
    if steps < 1:
        raise ValueError(f"steps={steps} must be at least 1")
    with measuring(model):
        z = model.encode(x.to(device_of(model))).flatten(1).cpu()
    moved = tuple(range(z.shape[1])) if dimensions is None else tuple(dimensions)
    if not 0 <= example < len(z) or not all(0 <= j < z.shape[1] for j in moved):
        raise ValueError(f"example={example} and dimensions={moved}: there are {len(z)} rows and {z.shape[1]} latents")
    low, high = torch.quantile(z, torch.tensor([0.01, 0.99]), dim=0)
    values = low + torch.linspace(0, 1, steps)[:, None] * (high - low)
    nodes = z[example].expand(len(moved), steps, -1).clone()
    for row, j in enumerate(moved):
        nodes[row, :, j] = values[:, j]
    frames = decoded(model, nodes.flatten(0, 1)).unflatten(0, (len(moved), steps))
    return FactorTraversal(values[:, list(moved)].T.clone(), frames, moved)
