"""Structured models of the library, for the list of all variants."""

from __future__ import annotations

from collections.abc import Callable

import torch

from prioria import VAE, likelihoods, nets, posteriors, priors, stages


def bits(inputs: int, features: int) -> VAE:
    prior = priors.Bernoulli(3)
    torch.nn.init.constant_(prior.get_parameter("logits"), 3.0)  # away from the posterior: a rate that is not near zero
    return VAE(
        encoder=nets.GatedMLP(inputs, features, gated_output=True),
        posterior=posteriors.Bernoulli(features, 3),
        prior=prior,
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(3, inputs)),
    )


def classes(inputs: int, features: int) -> VAE:
    return VAE(
        encoder=nets.GatedMLP(inputs, features, gated_output=True),
        stages=stages.Classes(3, 2, features=features),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(5, inputs)),
    )


def binary_hierarchy(inputs: int, features: int) -> VAE:
    sizes = {"z0": 2, "z1": 3, "z2": 4}
    return VAE(
        encoder=nets.BottomUp(inputs, sizes, activation="softplus"),
        stages=stages.BinaryHierarchy(sizes),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(4, inputs)),
    )


def ladder(inputs: int, features: int) -> VAE:
    widths = {"z3": 5, "z2": features, "z1": 8}
    return VAE(
        encoder=nets.BottomUp(inputs, widths, activation="softplus", activate_output=True),
        stages=stages.Ladder({"z3": 2, "z2": 3, "z1": 4}, widths, hidden=9),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(4, inputs)),
    )


def dependency_graph(inputs: int, features: int) -> VAE:
    return VAE(
        encoder=nets.GatedMLP(inputs, features, gated_output=True),
        stages=stages.DependencyGraph(
            nodes=3, latents=2, features=features, hidden=9, edges=[("z3", "z2"), ("z3", "z1"), ("z2", "z1")]
        ),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(6, inputs)),
    )


def dependency_graph_iaf(inputs: int, features: int) -> VAE:
    options = {"features": features, "hidden": 9, "flow_steps": 2, "flow_hidden": 8}
    return VAE(
        encoder=nets.GatedMLP(inputs, features, gated_output=True),
        stages=stages.DependencyGraph(nodes=3, latents=2, edges=stages.full_edges(3), **options),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(6, inputs)),
    )


def conv_ladder(posterior, normalization, inputs: int) -> VAE:
    shape, scales, options = (
        (1, 2, inputs // 2),
        {"z3": 1, "z2": 1, "z1": 0},
        {"channels": 5, "normalization": normalization},
    )
    return VAE(
        encoder=nets.Pyramid(shape, scales, **options),
        stages=stages.ConvLadder(shape, scales, latents=2, posterior=posterior, **options),
        likelihood=likelihoods.Bernoulli(nets.PyramidHead(shape, **options)),
    )


def structures(inputs: int, features: int) -> dict[str, Callable[[], VAE]]:
    """Name -> a builder of the model on rows of so many inputs."""
    builders = {
        "bits": bits,
        "classes": classes,
        "binary-hierarchy": binary_hierarchy,
        "ladder": ladder,
        "dependency-graph": dependency_graph,
        "dependency-graph-iaf": dependency_graph_iaf,
    }
    made = {name: lambda build=build: build(inputs, features) for name, build in builders.items()}
    for posterior, normalization in (("residual", "none"), ("precision-weighted", "weight"), ("free", "none")):
        options = (posterior, normalization, inputs)
        made[f"conv-ladder-{posterior}"] = lambda options=options: conv_ladder(*options)
    return made
