"""Classes: a group of one class, and a Gaussian group given the class."""

from __future__ import annotations

from torch import nn

from prioria import nets, posteriors, priors
from prioria.stage import Stage


def Classes(  # noqa: N802 - reads as a constructor
    components: int,
    latents: int,
    *,
    features: int | None = None,
    prior: nn.Module | None = None,
    straight_through: bool = False,
    full: bool = False,
) -> dict[str, Stage]:
    r"""Returns the stages of a mixture: p(c) p(z|c), inferred by q(c|x) q(z|x, c).

    With ``features`` the posteriors read one tensor of features, p(z|c) has a mean and a variance for each class, and
    the model is the Gaussian mixture VAE (Dilokthanakul et al., 2016). Without, the encoder gives the posteriors
    themselves, by group: "c" logits (B, K), "z" for each class m and log s^2 (B, K, 2L), and p(z|c) = N(0, I), as in a
    mixture of factor analysers (Ghahramani and Hinton, 1996), where classes differ in what the likelihood makes of z.

    Args:
        components: K, number of classes.
        latents: L.
        features: width of the encoder's output; None: it gives logits, means and variances.
        prior: p(z|c), in place of that; it may leave out c.
        straight_through: as for ``posteriors.Categorical``.
        full: q(z|x, c) has a full covariance; see ``posteriors.Given``. Only without ``features``.

    Raises:
        ValueError: a number is not positive, or ``full`` beside ``features``.

    Example:
        >>> list(Classes(10, 4, features=32))
        ['c', 'z']
    """
    if full and features is not None:
        raise ValueError(f"full=True is for encoders that give the posterior itself; leave out features={features}")
    top = Stage(
        prior=priors.Categorical(components),
        posterior=posteriors.Categorical(features, components, straight_through=straight_through),
    )
    if features is None:
        below = Stage(
            prior=priors.StandardNormal(latents) if prior is None else prior,
            posterior=posteriors.Given(latents, full=full),
            join=nets.Select(),
        )
    else:
        below = Stage(
            prior=priors.Gaussian(components, latents) if prior is None else prior,
            posterior=posteriors.Gaussian(features + components, latents),
        )
    return {"c": top, "z": below}
