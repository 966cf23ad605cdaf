"""Frechet and kernel distances between sets of images, in the features of a named extractor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prioria.data.base import Dataset
from prioria.distributions import mean
from prioria.evaluate.output.extractor import Extractor
from prioria.evaluate.sampling import device_of, measuring, seed_generators
from prioria.model import VAE

BATCH = 500


@dataclass(frozen=True)
class ImageDistance:
    """A distance between two sets of images; it means nothing without the name of its features.

    Attributes:
        metric: "FID" or "KID".
        value: the distance; a FID is biased upwards by about 1/n, compare at equal counts and with its floor.
        counts: images of both sets.
        extractor: name of the features.
        spread: standard deviation of the distance over subsets (KID alone), no standard error of ``value``; None where
            a subset is the whole of both sets.
    """

    metric: str
    value: float
    counts: tuple[int, int]
    extractor: str
    spread: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {**vars(self), "counts": list(self.counts)}

    def __str__(self) -> str:
        spread = "" if self.spread is None else f", spread over subsets {self.spread:.3g}"
        return (
            f"{self.metric} {self.value:.4g}{spread} ({self.counts[0]} and {self.counts[1]} images, {self.extractor})"
        )


def fid(images: Float[Tensor, "n D"], reference: Float[Tensor, "m D"], extractor: Extractor) -> ImageDistance:
    r"""|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the features' means and covariances (Heusel et al., 2017).

    Args:
        images: rows in [0, 1].
        reference: rows in [0, 1].
        extractor: features; the number is comparable with others of the same name only.

    Raises:
        ValueError: fewer than two images in a set.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b = _features(images, reference, extractor)
    metric = FrechetInceptionDistance(_Identity(a.shape[1]), normalize=True)
    metric.update(b, real=True)
    metric.update(a, real=False)
    return ImageDistance("FID", metric.compute().item(), (len(a), len(b)), extractor.name)


def kid(
    images: Float[Tensor, "n D"],
    reference: Float[Tensor, "m D"],
    extractor: Extractor,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> ImageDistance:
    """Mean over random subsets of the squared MMD of the features with kernel (a.b/F + 1)^3 (Binkowski et al., 2018).

    Unbiased, so that small sets may be compared; it may be negative.

    Args:
        images: rows in [0, 1].
        reference: rows in [0, 1].
        extractor: features.
        subsets: how many.
        subset_size: images of each set in one, at most as many as there are; where that is all of both sets there is
            but one subset. One subset has no spread.
        seed: of the subsets.

    Raises:
        ValueError: fewer than two images in a set or in a subset, or no subset.
    """
    from torchmetrics.image.kid import poly_mmd

    if subsets < 1 or subset_size < 2:
        raise ValueError(f"subsets={subsets} must be at least 1 and subset_size={subset_size} at least 2")
    a, b = _features(images, reference, extractor)
    size = min(subset_size, len(a), len(b))
    generator = torch.Generator().manual_seed(seed)
    whole = size == len(a) == len(b)
    draws = range(1 if whole else subsets)
    places = ([torch.randperm(len(each), generator=generator)[:size] for each in (a, b)] for _ in draws)
    values = torch.stack([poly_mmd(b[j], a[i]) for i, j in places])
    spread = None if len(values) == 1 else values.std(correction=0).item()
    return ImageDistance("KID", values.mean().item(), (len(a), len(b)), extractor.name, spread)


def fid_floor(data: Dataset, extractor: Extractor, *, seed: int = 0, limit: int | None = None) -> ImageDistance:
    """Returns the FID of real training images against as many test images: what a perfect model would score.

    Args:
        data: images.
        extractor: features.
        seed: of rows that are drawn anew, such as bits; the global random numbers are left as they were.
        limit: take so many images of each set only, at even distances.

    Raises:
        ValueError: fewer than two images in a set.
    """
    count = min(len(data.train), len(data.test)) if limit is None else min(limit, len(data.train), len(data.test))
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        images, reference = data.train.tensor(count), data.test.tensor(count)
    return fid(images, reference, extractor)


def generated_images(model: VAE, *, num_samples: int, seed: int = 0) -> Float[Tensor, "n D"]:
    """Returns the means of p(x|z) for z drawn from the prior, clamped to [0, 1].

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        num_samples: n.
        seed: of the draws.
    """
    with measuring(model):
        seed_generators(device_of(model), (seed,))
        sizes = [min(BATCH, num_samples - first) for first in range(0, num_samples, BATCH)]
        return torch.cat([mean(model.generate(size).px)[0].clamp(0, 1).cpu() for size in sizes])


class _Identity(nn.Module):
    """What torchmetrics asks for in place of a network: features are computed already, and their number is known."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


@torch.no_grad()
def _features(images: Tensor, reference: Tensor, extractor: Extractor) -> tuple[Tensor, Tensor]:
    if min(len(images), len(reference)) < 2:
        raise ValueError(f"{len(images)} and {len(reference)} images: give at least two in each set")
    first, second = (
        torch.cat([extractor(rows).cpu().double() for rows in each.split(BATCH)]) for each in (images, reference)
    )
    if not math.isfinite(first.sum().item() + second.sum().item()):
        raise ValueError(f"features of {extractor.name} are not finite; check the images")
    return first, second
