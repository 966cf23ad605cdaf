"""From options to a model: which classes the command line offers, and the facts that it fills in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import torch
from cyclopts import Parameter
from torch import nn

from prioria import VAE, likelihoods, nets, objectives, posteriors, priors, stages
from prioria.commands.options import Options, construct, record
from prioria.data import Dataset, check_likelihood

PRIORS: dict[str, type] = {
    "standard": priors.StandardNormal,
    "mixture": priors.Mixture,
    "vamp": priors.VampPrior,
    "hierarchical": priors.Hierarchical,
    "realnvp": priors.RealNVP,
}
POSTERIORS: dict[str, type] = {
    "gaussian": posteriors.Gaussian,
    "iaf": posteriors.IAF,
    "delta": posteriors.Delta,
}
LIKELIHOODS: dict[str, type] = {
    "bernoulli": likelihoods.Bernoulli,
    "gaussian": likelihoods.Gaussian,
    "discretized-logistic": likelihoods.DiscretizedLogistic,
    "categorical": likelihoods.Categorical,
    "multinomial": likelihoods.Multinomial,
}
OBJECTIVES: dict[str, type] = {
    "elbo": objectives.ELBO,
    "iwae": objectives.IWAE,
    "capacity": objectives.Capacity,
    "beta-tc": objectives.BetaTC,
    "factor": objectives.FactorVAE,
    "info": objectives.InfoVAE,
}
TOTAL_CORRELATIONS: dict[str, type] = {
    "minibatch": objectives.Minibatch,
    "stratified": objectives.Stratified,
    "density-ratio": objectives.DensityRatio,
}
CONSTRAINTS: dict[str, type] = {"rewo": objectives.REWO, "geco": objectives.GECO}

FACTS = frozenset("latents context net encoder posterior inputs pseudo_inputs features dataset_size group".split())

PriorOptions = record("PriorOptions", PRIORS, facts=FACTS, default="standard")
PosteriorOptions = record("PosteriorOptions", POSTERIORS, facts=FACTS, default="gaussian")
LikelihoodOptions = record("LikelihoodOptions", LIKELIHOODS, facts=FACTS, default=None)
ObjectiveOptions = record("ObjectiveOptions", OBJECTIVES, facts=FACTS, default="elbo")
TotalCorrelationOptions = record("TotalCorrelationOptions", TOTAL_CORRELATIONS, facts=FACTS, default=None)
ConstraintOptions = record("ConstraintOptions", CONSTRAINTS, facts=FACTS, default=None)


@dataclass
class NetworkOptions:
    """Networks of the encoder and the decoder."""

    kind: Literal["gated", "mlp", "residual", "gated-conv", "conv"] = "gated"
    hidden: Annotated[
        tuple[int, ...] | None,
        Parameter(
            help="Widths of hidden layers [300 300]; conv: channels of each layer, then features; gated-conv: features "
            "[300]; residual: of its blocks, then features.",
            consume_multiple=True,
            negative_iterable="",
        ),
    ] = None


WIDTHS: dict[str, tuple[int, float, str]] = {  # how many at least and at most, and what they are
    "gated": (1, math.inf, "the width of each hidden layer"),
    "mlp": (1, math.inf, "the width of each hidden layer"),
    "residual": (1, 2, "the width of its blocks and, if another, that of the features"),
    "gated-conv": (1, 1, "one width, that of the features; its channels are the paper's"),
    "conv": (2, math.inf, "the channels of each layer, then the width of the features, as in 32 64 256"),
}


@dataclass(frozen=True)
class Networks:
    """An encoder with the width of its features, and how to make a decoder.

    Raises:
        ValueError: more widths than the kind of network uses, or fewer than it needs; or colours that come last.
    """

    options: NetworkOptions
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        least, most, meaning = WIDTHS[self.options.kind]
        if not least <= len(self.hidden) <= most or min(self.hidden) < 1:
            given = " ".join(map(str, self.hidden))
            raise ValueError(f"--network.hidden {given} does not fit --network {self.options.kind}; give {meaning}")
        if len(self.shape) == 3 and self.shape[2] in (1, 3) and self.shape[0] not in (1, 3):
            # convolutions would run over columns and colours, and every picture of a report would be nonsense
            raise ValueError(
                f"the data has shape {self.shape}, which looks like (height, width, channels); save it as "
                "(N, channels, height, width), in numpy by x.transpose(0, 3, 1, 2), or as flat rows (N, D) if these "
                "are no pictures"
            )

    @property
    def hidden(self) -> tuple[int, ...]:
        if self.options.hidden is not None:
            return self.options.hidden
        return (300,) if self.options.kind == "gated-conv" else (300, 300)

    @property
    def inputs(self) -> int:
        return math.prod(self.shape)

    @property
    def features(self) -> int:
        return self.hidden[-1]

    def encoder(self) -> nn.Module:
        """Returns a network x (..., D) -> features (..., F)."""
        inputs, hidden = self.inputs, self.hidden
        match self.options.kind:
            case "gated":
                return nets.GatedMLP(inputs, *hidden, gated_output=True)
            case "mlp":
                return nets.MLP(inputs, *hidden, activate_output=True)
            case "residual":
                return nets.ResidualMLP(inputs, hidden[-1], width=hidden[0])
            case "gated-conv":
                convolutions = nets.GatedConvEncoder(self.image)
                return nets.Chain(convolutions, nets.GatedLinear(convolutions.features, self.features))
            case "conv":
                return nets.ConvEncoder(self.image, self.features, channels=hidden[:-1])

    def decoder(self, latents: int, per_value: int) -> nn.Module:
        """Returns a network z (..., L) -> (..., per_value * D)."""
        outputs, hidden = per_value * self.inputs, self.hidden
        match self.options.kind:
            case "gated":
                return nets.GatedMLP(latents, *hidden[::-1], outputs)
            case "mlp":
                return nets.MLP(latents, *hidden[::-1], outputs)
            case "residual":
                return nets.ResidualMLP(latents, outputs, width=hidden[0])
            case "gated-conv":
                first = nets.GatedLinear(latents, self.features)
                return nets.Chain(first, nets.GatedConvDecoder(self.features, self.image, outputs_per_pixel=per_value))
            case "conv":
                return nets.ConvDecoder(latents, self.image, channels=hidden[:-1], outputs_per_pixel=per_value)

    @property
    def image(self) -> tuple[int, int, int]:
        if len(self.shape) != 3:
            raise ValueError(
                f"--network {self.options.kind} needs images, and the data has shape {self.shape}; use gated or mlp"
            )
        channels, height, width = self.shape
        return channels, height, width


def model(
    data: Dataset,
    *,
    prior: Options,
    posterior: Options,
    likelihood: Options,
    network: NetworkOptions,
    latents: int,
    levels: int = 1,
    relaxed: bool = False,
) -> VAE:
    """Builds a model for a data set; ``levels=2`` is the two-level hierarchy of the VampPrior paper.

    Raises:
        ValueError: a choice does not fit the data, with the remedy.
    """
    if levels not in (1, 2):
        raise ValueError(f"--levels {levels} is not offered; use 1 or 2, or a deeper hierarchy with --stages")
    networks = Networks(network, data.shape)
    encoder, q = networks.encoder(), construct("posterior", posterior, POSTERIORS, _width(networks.features, latents))
    p = _prior(data, prior, encoder, q, latents)
    decode = likelihood_of(data, likelihood, partial(networks.decoder, latents * levels), relaxed=relaxed)
    if levels == 1:
        return VAE(encoder=encoder, posterior=q, prior=p, likelihood=decode)
    below = networks.encoder()
    groups = stages.TwoLevel(prior=p, posterior=q, features=networks.features, latents=(latents, latents))
    return VAE(encoder={"z2": encoder, "z1": below}, stages=groups, likelihood=decode)


def prior_for(model: VAE, data: Dataset, options: Options, seed: int) -> nn.Module:
    """Builds a prior for the top group of a model that exists.

    Raises:
        ValueError: an option that the prior does not have.
    """
    name, stage = next(iter(model.stages_.items()))
    latents = stage.prior(None).event_shape.numel()
    torch.manual_seed(seed)
    return _prior(data, options, model.encoder_of(name), stage.q, latents)


def objective(options: Options, *, tc: Options, constraint: Options, latents: int) -> objectives.Objective:
    """Builds the objective, within a constraint where one is asked for.

    Raises:
        ValueError: an option of another kind, or a constraint without a target.
    """
    facts: dict[str, Any] = {"latents": latents}
    if tc.kind is not None:
        if options.kind != "beta-tc":
            raise ValueError(f"--tc {tc.kind} does not belong to --objective {options.kind}; it is for beta-tc")
        facts["tc"] = construct("tc", tc, TOTAL_CORRELATIONS, {"latents": latents})
    inner = construct("objective", options, OBJECTIVES, facts)
    given = [name for name, value in vars(constraint).items() if value is not None]
    if not given:
        return inner
    if not {"kind", "target"} <= set(given):
        raise ValueError(
            f"--constraint.{given[0]} is not enough: a constraint needs a kind and a target, as in --constraint rewo "
            "--constraint.target rmse=0.05; prioria train --suggest-target proposes one"
        )
    return construct("constraint", constraint, CONSTRAINTS, {"inner": inner})


def _width(context: int, latents: int) -> dict[str, int]:
    return {"context": context, "latents": latents}


def _prior(data: Dataset, options: Options, encoder: nn.Module, posterior: nn.Module, latents: int) -> nn.Module:
    """Builds a prior; the pseudo-inputs of a VampPrior start where the data are, within bounds that hold them."""
    facts: dict[str, Any] = {"latents": latents, "encoder": encoder, "posterior": posterior, "inputs": data.dimensions}
    if data.protocol.kind not in ("continuous", "count"):
        return construct("prior", options, PRIORS, facts)
    counts, rows = data.protocol.kind == "count", data.train.tensor(1000)
    bounds = (0.0, data.train.maximum()) if counts else None
    facts |= {"bounds": bounds, "initial": (rows.mean().item(), rows.std().item())}
    prior = construct("prior", options, PRIORS, facts)
    if counts and isinstance(prior, priors.VampPrior) and options.initial is None:  # pyright: ignore[reportAttributeAccessIssue]
        # around a mean half of them would lie below zero, where a clamp has no gradient; between two rows none does
        one, other = (rows[torch.randint(len(rows), (len(prior.pseudo_inputs),))] for _ in range(2))
        prior.pseudo_inputs.data = one.lerp(other, torch.rand(len(one), 1))
    return prior


def likelihood_of(
    data: Dataset, options: Options, decoder: Callable[[int], nn.Module], *, relaxed: bool = False
) -> nn.Module:
    """Builds the likelihood, by default the first that is legal for the data.

    Args:
        data: what it is for.
        options: the kind and its options.
        decoder: quantities per value -> the network.
        relaxed: allow a Bernoulli on grey values.

    Raises:
        ValueError: a kind that gives wrong numbers on this data.
    """
    by_name = {cls.__name__: kind for kind, cls in LIKELIHOODS.items()}
    options = replace(options, kind=options.kind or by_name[data.protocol.likelihoods[0]])  # pyright: ignore[reportArgumentType]
    check_likelihood(data.protocol, LIKELIHOODS[options.kind].__name__, relaxed)
    if options.kind == "categorical" and options.categories is None:  # pyright: ignore[reportAttributeAccessIssue]
        largest = int(max(part.maximum() for part in (data.train, data.validation, data.test)))
        raise ValueError(
            f"--likelihood categorical needs --likelihood.categories, {largest + 1} for values up to {largest}; for "
            "counts there is also --likelihood multinomial or gaussian"
        )
    return construct("likelihood", options, LIKELIHOODS, {"net": decoder(_per_value(options))})


def _per_value(options: Options) -> int:
    match options.kind:
        case "discretized-logistic":
            return 2
        case "categorical":
            return options.categories or 2  # pyright: ignore[reportAttributeAccessIssue]
        case "gaussian":
            return 2 if options.variance == "pixel" else 1  # pyright: ignore[reportAttributeAccessIssue]
        case _:
            return 1
