r"""beta-TCVAE and FactorVAE: weigh the parts of the rate.

On average over x,

    E[log q(z|x) - log p(z)] = I(x; z) + TC(z) + D(z),
    I = E log q(z|x)/q(z),   TC = E log q(z)/prod_j q(z_j),   D = E log prod_j q(z_j)/p(z),

with q(z) the aggregate posterior (Hoffman and Johnson, 2016; Chen et al., 2018, eq. 2). D is the dimension-wise KL
where the prior factorizes. Under a prior that does not, such as a flow, the identity holds as it stands, but
D = KL(q(z) || p(z)) - TC: the objective weighs TC by beta - gamma, and gamma > beta rewards what it is to suppress.
"""

from __future__ import annotations

import warnings
from collections.abc import Sized

from torch import Tensor
from torch.distributions import Independent

from prioria.draw import Draw, Latent
from prioria.model import VAE
from prioria.objectives.aggregate import Aggregate, Minibatch, Stratified
from prioria.objectives.base import BatchTerms, Objective, Progress
from prioria.objectives.density_ratio import DensityRatio
from prioria.objectives.probe import group_of, probe

NEGATIVE = -0.1  # nats: no divergence is, and no average over a validation set scatters so far


class BetaTC(Objective):
    r"""-log_w + (alpha - 1) I + (beta - 1) TC + (gamma - 1) D (Chen et al., 2018, eq. 4).

    The parts are those of one group, the top one by default. Only the density-ratio estimate needs no density of q(z):
    with it any posterior will do, and alpha = gamma = 1.

    Args:
        beta: weight of the total correlation, not negative.
        alpha: weight of the mutual information I.
        gamma: weight of the divergence D, not negative; it alone trains a learned prior. Under a prior that does not
            factorize at most beta, or a warning says why.
        tc: how q(z) is estimated; ``Minibatch()`` by default, as in the paper's code.
        group: name of the group of latents.

    Raises:
        ValueError: a negative beta or gamma, or alpha or gamma with ``DensityRatio``; before training, a posterior that
            has no marginals or whose draws have no gradient, points for one under a learned prior of any width,
            gamma = 0 with a learned prior, or a ``tc`` that does not fit the model or the data.

    Example:
        >>> BetaTC(beta=6.0, alpha=0.0, tc=DensityRatio(latents=10))
        Traceback (most recent call last):
        ...
        ValueError: alpha=0.0 and gamma=1.0 need a density of q(z), and tc=DensityRatio() has none; use ...
    """

    def __init__(
        self,
        beta: float = 6.0,
        *,
        alpha: float = 1.0,
        gamma: float = 1.0,
        tc: Minibatch | Stratified | DensityRatio | None = None,
        group: str | None = None,
    ) -> None:
        super().__init__()
        if beta < 0 or gamma < 0:
            raise ValueError(
                f"beta={beta} and gamma={gamma} must not be negative, else total correlation or divergence is sought; "
                "use 0 or more"
            )
        self.alpha, self.beta, self.gamma, self.group = alpha, beta, gamma, group
        self.tc = Minibatch() if tc is None else tc
        self.rates = self.tc.rates
        if not self.tc.has_density and (alpha, gamma) != (1, 1):
            raise ValueError(
                f"alpha={alpha} and gamma={gamma} need a density of q(z), and tc=DensityRatio() has none; "
                "use tc=Minibatch() or tc=Stratified(), or leave both at 1"
            )

    def check(self, model: VAE, data: Sized | None = None) -> None:
        latent = group_of(probe(model), self.group)
        self.tc.check(latent, data)
        super().check(model, data)
        stage = model.stages[model.groups[0] if self.group is None else self.group]
        if self.gamma == 0 and stage.prior_parameters:
            raise ValueError(
                f"gamma=0 leaves out the part D, all that would train the parameters of {type(stage.p).__name__}; use "
                "gamma=1, or priors.StandardNormal"
            )
        if self.gamma > self.beta and not isinstance(latent.p, Independent):
            warnings.warn(
                f"gamma={self.gamma} > beta={self.beta} under a prior that does not factorize: its part D holds minus "
                f"the total correlation, which training will raise; use gamma <= beta, such as gamma=1",
                stacklevel=2,
            )

    def cost(self, draw: Draw, progress: Progress | None = None) -> Tensor:
        return -draw.log_w

    def batch_terms(self, draw: Draw, progress: Progress | None = None) -> BatchTerms:
        latent = group_of(draw, self.group)
        aggregate = self.tc(latent)
        parts = _parts(latent, aggregate)
        return BatchTerms(
            added=[(self.weights[name] - 1) * part.mean() for name, part in parts.items()],
            reported={name: part.detach() for name, part in parts.items()},
            fit=aggregate.fit,
        )

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each part."""
        return {"mutual_information": self.alpha, "total_correlation": self.beta, "dimension_wise": self.gamma}

    def doubt(self, terms: dict[str, Tensor]) -> str | None:
        for name, weight in self.weights.items():
            if weight > 1 and name in terms and terms[name] < NEGATIVE:
                return (
                    f"{name} is {terms[name]:.2f} nats at the best weights, and no divergence is negative: with weight "
                    f"{weight:g} the objective lowers the estimate's error, not the part; use larger batches, "
                    "tc=Stratified(), or a weight of 1"
                )
        return None

    def weighting(self) -> str | None:
        return None if self.alpha == self.gamma == 1 else f"alpha={self.alpha} and gamma={self.gamma}"


class FactorVAE(BetaTC):
    r"""-log_w + gamma TC, the total correlation from a discriminator (Kim and Mnih, 2018, eq. 2).

    It is ``BetaTC(beta=1 + gamma, tc=DensityRatio(latents))``.

    Args:
        gamma: weight of the total correlation, not negative.
        latents: dimensions of the group.
        hidden: width of the discriminator's hidden layers.
        layers: number of them.
        learning_rate: of the discriminator.
        betas: of its Adam.
        group: name of the group of latents, the top one by default.

    Raises:
        ValueError: a negative gamma, and as for :class:`DensityRatio`.
    """

    def __init__(
        self,
        gamma: float,
        latents: int,
        *,
        hidden: int = 1000,
        layers: int = 5,
        learning_rate: float = 1e-4,
        betas: tuple[float, float] = (0.5, 0.9),
        group: str | None = None,
    ) -> None:
        if gamma < 0:
            raise ValueError(f"gamma={gamma} would reward the total correlation; use 0 or more")
        ratio = DensityRatio(latents, hidden=hidden, layers=layers, learning_rate=learning_rate, betas=betas)
        super().__init__(beta=1 + gamma, tc=ratio, group=group)


def _parts(latent: Latent, aggregate: Aggregate) -> dict[str, Tensor]:
    """Returns the parts of the rate (B,) that the estimate gives: all three, or the total correlation alone."""
    if aggregate.log_q is None or latent.log_q is None:
        return {"total_correlation": aggregate.total_correlation}
    mutual_information = latent.log_q[0] - aggregate.log_q
    return {
        "mutual_information": mutual_information,
        "total_correlation": aggregate.total_correlation,
        "dimension_wise": latent.rate[0] - mutual_information - aggregate.total_correlation,
    }
