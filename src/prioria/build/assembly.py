"""A model, a prior and an objective from what was chosen, and from the facts that only data and model know."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prioria import objectives
from prioria.build.arguments import Choice
from prioria.build.kinds import (
    CONSTRAINTS,
    OBJECTIVES,
    POSTERIORS,
    PRIORS,
    STAGES,
    TOTAL_CORRELATIONS,
)
from prioria.build.networks import Networks
from prioria.build.outputs import built_likelihood, built_networks, usual_network
from prioria.build.structures import Structure
from prioria.data import Dataset, base, carried
from prioria.data import load as load_data
from prioria.model import VAE
from prioria.stages import Edge, TwoLevel

Decode = Callable[[Callable[[int], nn.Module]], nn.Module]  # a decoder for so many outputs a value -> the likelihood

LATENTS = 40
EXEMPLARS = 5000  # of the training data, evenly; a model that is saved holds them
ROWS, SPECTRUM_ROWS = 1000, 5000  # of the training data, evenly: where pseudo-inputs start, and spectra


def model(
    data: Any,
    *,
    prior: Choice | None = None,
    posterior: Choice | None = None,
    likelihood: Choice | None = None,
    network: Choice | None = None,
    latents: int | None = None,
    levels: int = 1,
    stages: Choice | Structure | None = None,
    edges: Collection[Edge] | None = None,
    relaxed: bool = False,
    seed: int | None = None,
) -> VAE:
    """Builds a model for a data set.

    Every choice is a name, a name with options (``{"kind": "vamp", "components": 50}``), a part that is built already,
    or a class or function, which is called with those facts that its arguments name: ``latents``, ``encoder``,
    ``posterior`` and ``inputs`` for a prior, ``context`` and ``latents`` for a posterior, ``net`` for a likelihood.

    Args:
        data: a :class:`prioria.data.Dataset`, or what :func:`prioria.data.load` takes.
        prior: standard, mixture, vamp, exemplar, hierarchical or realnvp; standard by default.
        posterior: gaussian, iaf or delta; gaussian by default.
        likelihood: one of ``build.LIKELIHOODS``; by default the first that is legal for the data.
        network: one of ``build.NETWORKS``, with ``hidden`` widths; by default gated, but frequency under likelihood
            frequency-gaussian, and conv for other pictures and series of one's own from 16 pixels or steps on.
        latents: dimensions of z, of each level; 40 by default.
        levels: 1, or 2 for the two-level hierarchy of Tomczak and Welling (2018), under any prior.
        stages: a deeper hierarchy in place of prior, posterior, latents and levels: ladder, binary, graph, conv-ladder.
        edges: of a graph whose edges were learned.
        relaxed: allow a Bernoulli on grey values.
        seed: of the weights; None draws them from torch's global generator.

    Raises:
        ValueError: a choice that is unknown or does not fit the data or another choice, with the remedy.

    Example:
        >>> from prioria import build, fit
        >>> built = build.model("digits", prior={"kind": "vamp", "components": 20}, latents=8, seed=0)
        >>> built.generate(3).px.mean.shape
        torch.Size([1, 3, 64])
        >>> run = fit(built, build.objective(built, "iwae"), "digits", epochs=1, progress=False)
        >>> build.model("digits", prior="vampp")
        Traceback (most recent call last):
        ...
        ValueError: prior vampp is unknown; did you mean vamp?
    """
    dataset = load_data(data)
    usual = usual_network(dataset, likelihood) if stages is None else "gated"
    networks = built_networks(dataset, likelihood, network or usual)
    decode = partial(built_likelihood, dataset, likelihood, relaxed=relaxed)
    with _seeded(seed):
        if stages is None:
            _check_latents(latents, levels)
            make = _two_levels if levels == 2 else _one_level
            chosen = prior or "standard", posterior or "gaussian"
            return _started(make(dataset, networks, *chosen, latents=latents or LATENTS, decode=decode), dataset)
        hierarchy = structure(stages)
        given = {"prior": prior, "posterior": posterior, "latents": latents, "levels": None if levels == 1 else levels}
        own = {"network": network} if hierarchy.own_networks else {}
        _check_alone(STAGES.name_of(stages), given | own)
        found = hierarchy.assembled(networks, edges)
        return _started(VAE(encoder=found.encoder, stages=found.stages, likelihood=decode(found.decoder)), dataset)


def structure(choice: Choice | Structure) -> Structure:
    """Returns the kind of hierarchy that was chosen, with its options.

    Args:
        choice: ladder, binary, graph or conv-ladder, and options; or a structure of one's own, as it is.

    Raises:
        ValueError: an unknown kind, or an option of another kind.

    Example:
        >>> structure({"kind": "ladder", "groups": (2, 3)})
        Ladder(groups=(2, 3), hidden=64)
    """
    return choice if isinstance(choice, Structure) else STAGES.build(choice, {})


def prior(model: VAE, data: Dataset, choice: Choice = "standard", *, seed: int | None = None) -> nn.Module:
    """Builds a prior for the top group of a model that exists, as :func:`prioria.train.refit_prior` takes it.

    Args:
        model: the model.
        data: what it was trained on, where the pseudo-inputs of a VampPrior start.
        choice: as for :func:`model`.
        seed: of its weights.

    Raises:
        ValueError: an unknown kind, or an option that the prior does not have.

    Example:
        >>> from prioria import build, data
        >>> digits = data.load("digits")
        >>> type(prior(build.model(digits, latents=2), digits, "realnvp")).__name__
        'RealNVP'
    """
    name, stage = model.groups[0], model.top
    with _seeded(seed):
        return _prior(data, choice, model.encoder_of(name), stage.q, _width(model))


def objective(
    model: VAE, choice: Choice = "elbo", *, tc: Choice | None = None, constraint: Choice | None = None
) -> objectives.Objective:
    """Builds an objective for a model, within a constraint where one is asked for.

    Args:
        model: the model; the width of its top group is a fact of some objectives.
        choice: elbo, iwae, capacity, beta-tc, factor or info, and options.
        tc: how beta-tc estimates the total correlation: minibatch, stratified or density-ratio.
        constraint: rewo or geco, with a target: ``{"kind": "rewo", "target": "rmse=0.05"}``.

    Raises:
        ValueError: an unknown kind, an option of another kind, or a constraint without a target.

    Example:
        >>> from prioria import build
        >>> built = build.model("digits", latents=2)
        >>> type(objective(built, constraint={"kind": "geco", "target": "nats=20"})).__name__
        'GECO'
    """
    facts: dict[str, Any] = {"latents": _width(model)}
    if tc is not None:
        if OBJECTIVES.name_of(choice) != "beta-tc":
            raise ValueError(
                f"tc {TOTAL_CORRELATIONS.name_of(tc)} does not belong to objective {OBJECTIVES.name_of(choice)}; it is "
                "for beta-tc"
            )
        facts["tc"] = TOTAL_CORRELATIONS.build(tc, facts)
    inner = OBJECTIVES.build(choice, facts)
    if constraint is None:
        return inner
    given = {"kind": constraint} if isinstance(constraint, str) else constraint
    if isinstance(given, Mapping) and not {"kind", "target"} <= given.keys():
        raise ValueError(
            f"constraint.{next(iter(given))} is not enough: a constraint needs a kind and a target, as in constraint "
            "rewo with constraint.target rmse=0.05; prioria train --suggest-target proposes one"
        )
    return CONSTRAINTS.build(constraint, {"inner": inner})


def _width(model: VAE) -> int:
    return model.top.prior(None).event_shape.numel()


def _one_level(
    data: Dataset, networks: Networks, prior: Choice, posterior: Choice, *, latents: int, decode: Decode
) -> VAE:
    encoder = networks.encoder()
    q = POSTERIORS.build(posterior, {"context": networks.features, "latents": latents})
    p = _prior(data, prior, encoder, q, latents)
    return VAE(encoder=encoder, posterior=q, prior=p, likelihood=decode(partial(networks.decoder, latents)))


def _two_levels(
    data: Dataset, networks: Networks, prior: Choice, posterior: Choice, *, latents: int, decode: Decode
) -> VAE:
    top = networks.encoder()
    q = POSTERIORS.build(posterior, {"context": networks.features, "latents": latents})
    p = _prior(data, prior, top, q, latents)
    likelihood = decode(partial(networks.decoder, 2 * latents))
    encoder = {"z2": top, "z1": networks.encoder()}
    groups = TwoLevel(prior=p, posterior=q, features=networks.features, latents=(latents, latents))
    return VAE(encoder=encoder, stages=groups, likelihood=likelihood)


def _prior(data: Dataset, choice: Choice, encoder: nn.Module, posterior: nn.Module, latents: int) -> nn.Module:
    """Builds a prior; what starts at data starts where these are, within bounds that hold them."""
    facts: dict[str, Any] = {"latents": latents, "encoder": encoder, "posterior": posterior, "inputs": data.dimensions}
    if PRIORS.asks(choice, "exemplars"):
        facts["numbers"] = base.evenly(len(data.train), EXEMPLARS)
        facts["exemplars"] = _without_holes(data.train.batch(facts["numbers"]))
    own, kind = data.protocol.source == base.OWN, data.protocol.kind
    if not own and kind not in ("continuous", "count"):
        return PRIORS.build(choice, facts)
    rows = _without_holes(data.train.tensor(ROWS))
    facts["initial"] = rows.mean().item(), rows.std().item()
    highest = data.train.maximum() if kind == "count" else 1.0
    facts["bounds"] = (0.0, highest) if kind in ("count", "grey", "binary") else None
    built = PRIORS.build(choice, facts)
    start_between, given = getattr(built, "start_between", None), isinstance(choice, Mapping) and choice.get("initial")
    if (own or kind == "count") and start_between is not None and not given:
        start_between(rows)  # around a mean half of the pseudo-inputs would lie below zero, where a clamp is flat
    return built


def _without_holes(rows: Tensor) -> Tensor:
    """Pseudo-inputs and exemplars have the mean of a column where an entry is missing."""
    return torch.where(rows.isnan(), rows.nanmean(0).nan_to_num(), rows)


def _started(model: VAE, data: Dataset) -> VAE:
    """The model, which knows how rows are treated, with those parts started that begin at statistics of them."""
    for start_at in filter(None, (getattr(part, "start_at", None) for part in model.modules())):
        start_at(data.train.tensor(SPECTRUM_ROWS))
    model.protocol = carried.carried(data)
    return model


def _check_latents(latents: int | None, levels: int) -> None:
    if latents is not None and latents < 1:
        raise ValueError(f"latents {latents} must be at least 1")
    if levels not in (1, 2):
        raise ValueError(f"levels {levels} is not offered; use 1 or 2, or a deeper hierarchy with stages")


def _check_alone(name: str, given: Mapping[str, Any]) -> None:
    for argument, value in given.items():
        if value is not None:
            raise ValueError(
                f"{argument} does not go with stages {name}, whose groups have their own; leave it out, or use levels "
                "2 for a hierarchy under any prior"
            )


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Draws weights from a generator of this seed, and leaves the caller's as it was; None: from the caller's own."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
