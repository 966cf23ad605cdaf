"""Every prior, posterior, hierarchy and objective as a case: a model on 784 pixels, how it is trained, and its peer.

All have the networks ``dense`` of :mod:`benchmarks.models`, 784-512-40 and back, unless the hierarchy needs others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.models import LATENTS, PIXELS
from prioria import VAE, likelihoods, nets, objectives, posteriors, priors, stages

HIDDEN, COMPONENTS = 512, 500
Prior = Callable[[nn.Module, nn.Module], nn.Module]


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        kind: prior, posterior, hierarchy or objective.
        name: of the part.
        build: the model.
        objective: what it is trained by.
        peer: name of pythae's model of the same kind, with arguments of its configuration.
    """

    kind: str
    name: str
    build: Callable[[], VAE]
    objective: Callable[[], objectives.Objective] = objectives.ELBO
    peer: tuple[str, dict[str, object]] | None = None


def single(
    *, prior: Prior | None = None, posterior: Callable[[int, int], nn.Module] | None = None, latents: int = LATENTS
) -> VAE:
    """One group of latents."""
    encoder = nets.MLP(PIXELS, HIDDEN, activate_output=True)
    q = (posterior or posteriors.Gaussian)(HIDDEN, latents)
    p = priors.StandardNormal(latents) if prior is None else prior(encoder, q)
    return VAE(encoder=encoder, posterior=q, prior=p, likelihood=_decoder(latents))


def vamp(components: int) -> Prior:
    """The VampPrior of so many pseudo-inputs."""
    return lambda encoder, q: priors.VampPrior(encoder, q, components=components, inputs=PIXELS)


def hierarchical(encoder: nn.Module, q: nn.Module) -> nn.Module:
    """The hierarchical prior with 16 auxiliary samples."""
    return priors.Hierarchical(LATENTS, LATENTS, 16)


def two_level() -> VAE:
    """z2 above z1."""
    top, below = nets.MLP(PIXELS, 300, activate_output=True), nets.MLP(PIXELS, 300, activate_output=True)
    q = posteriors.Gaussian(300, LATENTS)
    groups = stages.TwoLevel(prior=vamp(COMPONENTS)(top, q), posterior=q, features=300, latents=(LATENTS, LATENTS))
    return VAE(encoder={"z2": top, "z1": below}, stages=groups, likelihood=_decoder(2 * LATENTS))


def ladder() -> VAE:
    """Three Gaussian groups."""
    widths = {"z3": 128, "z2": 256, "z1": HIDDEN}
    encoder = nets.BottomUp(PIXELS, widths, activation="softplus", activate_output=True)
    groups = stages.Ladder({"z3": 16, "z2": 32, "z1": 64}, widths, hidden=256)
    return VAE(encoder=encoder, stages=groups, likelihood=_decoder(64))


def binary_hierarchy() -> VAE:
    """Three layers of bits."""
    sizes = {"z0": 32, "z1": 64, "z2": 128}
    encoder = nets.BottomUp(PIXELS, sizes, activation="softplus")
    return VAE(encoder=encoder, stages=stages.BinaryHierarchy(sizes), likelihood=_decoder(128))


def dependency_graph() -> VAE:
    """Five groups of 16 with learned gates."""
    encoder = nets.MLP(PIXELS, HIDDEN, activate_output=True)
    groups = stages.DependencyGraph(nodes=5, latents=16, features=HIDDEN, hidden=128)
    return VAE(encoder=encoder, stages=groups, likelihood=_decoder(80))


def conv_ladder() -> VAE:
    """Six groups of feature maps at 14 and 7 pixels a side."""
    shape, scales, options = (1, 28, 28), {"z6": 2, "z5": 2, "z4": 2, "z3": 1, "z2": 1, "z1": 1}, {"channels": 16}
    return VAE(
        encoder=nets.Pyramid(shape, scales, **options),
        stages=stages.ConvLadder(shape, scales, latents=4, **options),
        likelihood=likelihoods.Bernoulli(nets.PyramidHead(shape, **options)),
    )


def conv_two_level() -> VAE:
    """z2 above z1 with gated convolutions, as Tomczak and Welling (2018) train them."""
    image = (1, 28, 28)
    top, below = nets.GatedConvEncoder(image), nets.GatedConvEncoder(image)
    q = posteriors.Gaussian(top.features, LATENTS)
    p, latents = vamp(COMPONENTS)(top, q), (LATENTS, LATENTS)
    groups = stages.TwoLevel(prior=p, posterior=q, features=below.features, latents=latents)
    output = likelihoods.Bernoulli(nets.GatedConvDecoder(2 * LATENTS, image))
    return VAE(encoder={"z2": top, "z1": below}, stages=groups, likelihood=output)


def bits(encoder: nn.Module, q: nn.Module) -> nn.Module:
    """The prior of a Bernoulli posterior."""
    return priors.Bernoulli(LATENTS)


def _decoder(latents: int) -> likelihoods.Bernoulli:
    return likelihoods.Bernoulli(nets.MLP(latents, HIDDEN, PIXELS))


def _prior(name: str, prior: Prior, peer: tuple[str, dict[str, object]] | None = None) -> Case:
    return Case("prior", name, lambda: single(prior=prior), peer=peer)


def _objective(name: str, build: Callable[[], objectives.Objective], peer: str = "", **configuration: object) -> Case:
    return Case("objective", name, single, build, (peer, configuration) if peer else None)


def _target(kind: type[objectives.GECO] | type[objectives.REWO]) -> Callable[[], objectives.Objective]:
    return lambda: kind(objectives.ELBO(), "nats=80")


PRIORS = (
    _prior("standard normal", lambda encoder, q: priors.StandardNormal(LATENTS), ("VAE", {})),
    _prior(f"mixture of {COMPONENTS}", lambda encoder, q: priors.Mixture(LATENTS, COMPONENTS)),
    _prior(f"VampPrior, {COMPONENTS}", vamp(COMPONENTS), ("VAMP", {"number_components": COMPONENTS})),
    _prior("hierarchical, 16 samples", hierarchical),
    _prior("RealNVP, 6 blocks", lambda encoder, q: priors.RealNVP(LATENTS)),
)
POSTERIORS = (
    Case(
        "posterior",
        "inverse autoregressive flow, 2 steps",
        lambda: single(posterior=lambda context, latents: posteriors.IAF(context, latents, hidden=(128,), steps=2)),
        peer=("VAE_IAF", {"n_made_blocks": 2, "n_hidden_in_made": 1, "hidden_size": 128}),
    ),
    Case("posterior", "Bernoulli", lambda: single(prior=bits, posterior=posteriors.Bernoulli)),
)
HIERARCHIES = (
    Case("hierarchy", "two levels, VampPrior", two_level),
    Case("hierarchy", "two levels, VampPrior, convolutional", conv_two_level),
    Case("hierarchy", "ladder, 3 groups", ladder),
    Case("hierarchy", "binary, 3 layers", binary_hierarchy),
    Case("hierarchy", "dependency graph, 5 groups", dependency_graph),
    Case("hierarchy", "convolutional ladder, 6 groups", conv_ladder),
)
OBJECTIVES = (
    _objective("IWAE, 16 samples", lambda: objectives.IWAE(16), "IWAE", number_samples=16),
    _objective("beta-VAE-B", lambda: objectives.Capacity(5.0, warmup=None), "DisentangledBetaVAE", C=5.0),
    _objective("beta-TCVAE, minibatch", objectives.BetaTC, "BetaTCVAE"),
    _objective(
        "beta-TCVAE, stratified", lambda: objectives.BetaTC(tc=objectives.Stratified()), "BetaTCVAE", use_mss=True
    ),
    _objective("FactorVAE", lambda: objectives.FactorVAE(2.0, LATENTS)),
    _objective("InfoVAE", objectives.InfoVAE, "INFOVAE_MMD"),
    _objective("GECO", _target(objectives.GECO)),
    Case("objective", "REWO, hierarchical prior", lambda: single(prior=hierarchical), _target(objectives.REWO)),
)
CASES = (*PRIORS, *POSTERIORS, *HIERARCHIES, *OBJECTIVES)


def rival(case: Case) -> nn.Module | None:
    """Returns pythae's model of the case with its default networks, None where it has none."""
    if case.peer is None:
        return None
    import pythae.models

    name, configuration = case.peer
    settings = getattr(pythae.models, f"{name}_Config" if "_" in name else f"{name}Config")
    torch.manual_seed(0)
    sizes = {"input_dim": (1, 28, 28), "latent_dim": LATENTS, "reconstruction_loss": "bce"}
    return getattr(pythae.models, name)(settings(**sizes, **configuration))
