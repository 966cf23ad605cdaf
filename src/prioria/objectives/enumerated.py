"""The bound with the classes of the top group summed, not drawn."""

from __future__ import annotations

import math
from collections.abc import Sized

import torch
from torch import Tensor
from torch.distributions import Distribution

from prioria.distributions import is_reparameterized, logsumexp
from prioria.draw import Draw, Latent
from prioria.model import VAE
from prioria.objectives.base import Loss, Objective, Progress
from prioria.objectives.probe import probe


class Enumerated(Objective):
    r"""-log sum_c (1/S) sum_s p(x, c, z_s) / q(z_s|x, c), z_s ~ q(z|x, c): every class c of the top group has its turn.

    Classes are summed as in a mixture, so that no draw of a class adds noise and none needs a score function. The sum
    leaves q(c|x) out; it is trained beside it, on the classes' responsibilities r_c under the sum, by -sum_c r_c log
    q(c|x), as in reweighted wake-sleep (Bornschein and Bengio, 2015). With S = 1 and one class it is the ELBO.

    Args:
        classes: sum only so many of each row's likeliest classes under q(c|x), which is a lower bound; None: all.
        num_samples: S draws of the groups below for each class.

    Raises:
        ValueError: a number is not positive; before training, a top group whose values cannot be listed, or a group
            below whose draws have no gradient.
    """

    def __init__(self, classes: int | None = None, *, num_samples: int = 1) -> None:
        super().__init__()
        if num_samples < 1 or (classes is not None and classes < 1):
            raise ValueError(f"classes={classes} and num_samples={num_samples} must be at least 1")
        self.classes, self.num_samples = classes, num_samples

    def check(self, model: VAE, data: Sized | None = None) -> None:
        (name, top), *below = probe(model).latents.items()
        if not (_can_be_listed(top.p) and top.q is not None and _can_be_listed(top.q)):
            raise ValueError(
                f"Enumerated sums over the classes of the top group, and {name!r} has a {type(top.p).__name__}; use "
                "stages.Classes, or objectives.ELBO"
            )
        for name, latent in below:
            if latent.q is not None and not is_reparameterized(latent.q):
                raise ValueError(f"group {name!r}: its draws have no gradient, and Enumerated sums the top; use ELBO")

    def draw(self, model: VAE, x: Tensor) -> Draw:
        """Draws the groups below once or more for every class: K = S times the classes, classes fastest."""
        condition = model.condition(x)
        q = condition.top[1]
        if not _can_be_listed(q):
            raise ValueError(f"the classes of {type(q).__name__} cannot be listed; use stages.Classes")
        values = q.enumerate_support().movedim(0, -2)  # (B, classes, *event)
        kept = min(self.classes or values.shape[-2], values.shape[-2])
        with torch.no_grad():
            likeliest = q.log_prob(values.movedim(-2, 0)).topk(kept, 0).indices  # (kept, B)
        listed = values[torch.arange(len(x), device=x.device), likeliest]
        shape = (self.num_samples * kept, len(x))
        return condition.draw(shape[0], given={model.groups[0]: listed.repeat(self.num_samples, 1, 1)})

    def forward(self, draw: Draw, progress: Progress | None = None) -> Loss:
        top = next(iter(draw.latents.values()))
        log_q = _density(top)
        self._check_listed(top.z)
        log_joint = draw.log_w + log_q  # log p(x, c, z) / q(z|x, c)
        per_example = math.log(self.num_samples) - logsumexp(log_joint, 0)
        share = log_joint.detach().softmax(0)
        value = per_example.mean()
        recognition = -(share * log_q).sum(0).mean()
        return Loss(value, value + recognition, per_example.detach(), _terms(draw, share))

    def weighting(self) -> str | None:
        return "a sum over classes"

    def _check_listed(self, values: Tensor) -> None:
        blocks = values.detach().unflatten(0, (self.num_samples, -1)) if len(values) % self.num_samples == 0 else None
        if blocks is None or blocks.sum(1).max() > 1:
            raise ValueError("draw holds classes that were drawn, not listed; score objective.draw(model, x)")


def _can_be_listed(d: Distribution) -> bool:
    return d.has_enumerate_support


def _density(latent: Latent) -> Tensor:
    if latent.log_q is None:
        raise ValueError("Enumerated needs log q(c|x), and this draw was generated; use objective.draw(model, x)")
    return latent.log_q


def _terms(draw: Draw, share: Tensor) -> dict[str, Tensor]:
    terms = {"distortion": draw.distortion, "rate": draw.rate}
    terms |= {f"rate/{name}": latent.rate for name, latent in draw.latents.items()}
    return {name: (share * term).sum(0).detach() for name, term in terms.items()}
