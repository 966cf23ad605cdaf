"""Chains of fused stages: the ladder (Gaussian) and the binary hierarchy (Bernoulli)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import nn

from prioria import posteriors, priors
from prioria.nets import MLP
from prioria.posteriors.gaussian import Gaussian
from prioria.stage import Stage
from prioria.stages.fused import Fused


def Ladder(  # noqa: N802 - reads as a constructor, as TwoLevel does
    latents: Mapping[str, int],
    features: Mapping[str, int],
    *,
    hidden: int = 64,
    top: Stage | None = None,
) -> dict[str, Stage]:
    r"""The ladder VAE: Gaussian p(z_i | z_{i+1}) in a chain, fused with evidence by precision into q(z_i | x, z_{i+1}).

    The likelihood sees the bottom group (Soenderby et al., 2016, eq. 17-19; that paper takes rectified layers with
    batch normalization, here the networks are without it).

    Args:
        latents: group -> dimensions, top first.
        features: group -> width of the features that the encoder gives, for instance
            ``nets.BottomUp(inputs, features, activate_output=True)``.
        hidden: width of the layer between a group and the next.
        top: the top stage; N(0, I) with evidence alone by default. A VampPrior needs a plain ``Stage`` here
            and, with an encoder such as the above, the ``group`` whose features it reads.

    Returns:
        Stages by name, top first.

    Example:
        >>> [stage.root for stage in Ladder({"z2": 2, "z1": 4}, {"z2": 8, "z1": 16}).values()]
        ['evidence', 'evidence']
    """
    names = _names(latents, features)
    heads = {name: Gaussian(features[name], latents[name]) for name in names}
    stages: dict[str, Stage] = {names[0]: top or Fused(priors.StandardNormal(latents[names[0]]), heads[names[0]])}
    for above, name in zip(names, names[1:], strict=False):
        net = MLP(latents[above], hidden, activate_output=True)
        stages[name] = Fused(Gaussian(hidden, latents[name], net=net), heads[name])
    return stages


def BinaryHierarchy(  # noqa: N802
    latents: Mapping[str, int],
    *,
    hidden: int | None = None,
    straight_through: bool = True,
    root: Literal["evidence", "fused"] = "fused",
) -> dict[str, Stage]:
    r"""Bits in a chain: prior logits d_i(z_{i-1}), posterior logits d_i(z_{i-1}) + a_i(x).

    p(z_i | z_{i-1}) = Bernoulli(sigmoid(d_i(z_{i-1}))) and q(z_i | z_{i-1}, x) = Bernoulli(sigmoid(d_i(z_{i-1}) +
    a_i(x))). The encoder's a_i approximates log p(x | z_i), which the backward algorithm of a hidden Markov model would
    compute (Flach, slides on structured model learning, page 12). z_0 is on top, z_m next to x; p(x | z_m).

    Args:
        latents: group -> bits, top first.
        hidden: width of a hidden layer in each d_i; None: d_i is affine.
        straight_through: differentiate draws straight through (biased, as in the slides); False: by score function,
            which needs an objective with several samples.
        root: whether the top group's evidence is fused with its prior.

    Returns:
        Stages by name, top first. The encoder gives a_i by name: ``nets.BottomUp(inputs, latents)``.

    Example:
        >>> list(BinaryHierarchy({"z0": 3, "z1": 5}))
        ['z0', 'z1']
    """
    names = list(latents)
    stages: dict[str, Stage] = {}
    for above, name in zip([None, *names], names, strict=False):
        evidence = posteriors.Bernoulli(None, latents[name], straight_through=straight_through)
        stages[name] = Fused(
            _bits(latents[name], None if above is None else latents[above], hidden), evidence, root=root
        )
    return stages


def _bits(latents: int, above: int | None, hidden: int | None) -> nn.Module:
    if above is None or hidden is None:
        return priors.Bernoulli(latents, above=above)
    return priors.Bernoulli(latents, above=hidden, net=MLP(above, hidden, activate_output=True))


def _names(latents: Mapping[str, int], features: Mapping[str, int]) -> list[str]:
    if not latents or set(latents) != set(features):
        raise ValueError(
            f"latents is for {list(latents)} but features for {list(features)}; name the same groups, at least one"
        )
    return list(latents)
