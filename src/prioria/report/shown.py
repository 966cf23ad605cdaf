"""What a sheet shows of a model, computed under random numbers of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from prioria.data import Dataset
from prioria.distributions import as_mixture, has_length, mean
from prioria.evaluate.sampling import device_of, measuring, seed_device
from prioria.model import VAE

USAGE_ROWS = 1000  # test rows that tell which pseudo-inputs are used


@dataclass(frozen=True, eq=False)
class Shown:
    """Rows in the model's scale.

    Attributes:
        data: test rows.
        reconstructions: the mean of p(x | z) at the posterior means of all groups.
        means: the mean of p(x | z) at z drawn from the prior.
        draws: x drawn from p(x | z) at these z.
        pseudo_inputs: those of a VampPrior, the most used first; None where there is no VampPrior.
    """

    data: Float[Tensor, "n D"]
    reconstructions: Float[Tensor, "n D"]
    means: Float[Tensor, "m D"]
    draws: Float[Tensor, "m D"]
    pseudo_inputs: Float[Tensor, "k D"] | None


def show(model: VAE, dataset: Dataset, *, rows: int, samples: int, seed: int) -> Shown:
    """Encodes and decodes the first test rows and samples from the model; leaves its mode and global random numbers."""
    with measuring(model):
        seed_device(device_of(model), seed)
        x = dataset.test.tensor(rows).to(device_of(model))
        z = {group: model.encode(x, group) for group in model.groups}
        length = x.sum(-1, keepdim=True)  # documents are as long as those beside them
        generated = _of_length(model.generate(samples).px, length[torch.arange(samples, device=x.device) % len(x)])
        reconstructed = _of_length(model.decode(z), length)
        used = pseudo_inputs(model, dataset)
        return Shown(
            data=x.cpu(),
            reconstructions=mean(reconstructed).cpu(),
            means=mean(generated)[0].cpu(),
            draws=generated.sample()[0].float().cpu(),
            pseudo_inputs=None if used is None else used.cpu(),
        )


def _of_length(px: Distribution, length: Tensor) -> Distribution:
    return px.of_length(length) if has_length(px) else px


def pseudo_inputs(model: VAE, dataset: Dataset) -> Float[Tensor, "k D"] | None:
    """Returns the top prior's pseudo-inputs, those most responsible for the test rows first; None where it has none."""
    stage = model.top
    clamped = getattr(stage.p, "clamped", None)
    if clamped is None:
        return None
    if (prior := as_mixture(stage.prior(None))) is None:
        return clamped()
    z = model.encode(dataset.test.tensor(USAGE_ROWS).to(device_of(model)))
    usage = prior.component_log_prob(z).softmax(-1).mean(0)
    return clamped()[usage.argsort(descending=True)]
