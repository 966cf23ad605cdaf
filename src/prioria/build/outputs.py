"""The likelihood of a data set, and networks of its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from prioria.build.arguments import Choice
from prioria.build.kinds import LIKELIHOODS, NETWORKS
from prioria.build.networks import FEWEST_PLACES, Networks, OfTable
from prioria.data import Dataset, check_likelihood
from prioria.data.base import OWN
from prioria.likelihoods import Categorical


def built_networks(data: Dataset, likelihood: Choice | None, choice: Choice) -> Networks:
    """Networks for rows of the data, or for the columns of a likelihood that has a head for each."""

    def make(shape: tuple[int, ...]) -> Networks:
        return NETWORKS.build(choice, {"shape": shape})

    heads = hasattr(_part(data, likelihood), "outputs") and data.protocol.schema is not None
    return OfTable(make, data.protocol.schema) if heads else make(data.shape)


def usual_network(data: Dataset, likelihood: Choice | None) -> str:
    """What suits the likelihood; else convolutions for the user's pictures and series that are large."""
    large = len(data.shape) > 1 and min(data.shape[1:]) >= FEWEST_PLACES
    usual = "conv" if data.protocol.source == OWN and large else "gated"
    return getattr(_part(data, likelihood), "usual_network", usual)


def built_likelihood(
    data: Dataset, choice: Choice | None, decoder: Callable[[int], nn.Module], *, relaxed: bool
) -> nn.Module:
    """Builds the likelihood, by default the first that is legal for the data, and refuses one of wrong numbers."""
    if choice is not None and not isinstance(choice, str | Mapping):
        return LIKELIHOODS.build(choice, {"net": decoder(1)})
    kind, options = _named(data, choice)
    chosen = LIKELIHOODS.kinds[kind]
    check_likelihood(data.protocol, chosen.legal_as, relaxed)
    if chosen is Categorical and "categories" not in options:
        largest = int(max(part.maximum() for part in (data.train, data.validation, data.test)))
        raise ValueError(
            f"likelihood categorical needs likelihood.categories, {largest + 1} for values up to {largest}; for counts "
            "there is also likelihood multinomial or gaussian"
        )
    schema = data.protocol.schema
    if of_columns := getattr(chosen, "outputs", None):
        count = of_columns(schema, **options)
    else:
        outputs = getattr(chosen, "outputs_per_value", None)
        count = 1 if outputs is None else outputs(**options)
    facts = {"net": decoder(count), "shape": data.shape, "schema": schema}
    return LIKELIHOODS.build({"kind": kind, **options}, facts)


def _part(data: Dataset, likelihood: Choice | None) -> Any:
    if likelihood is None or isinstance(likelihood, str | Mapping):
        return LIKELIHOODS.kinds[_named(data, likelihood)[0]]
    return likelihood


def _named(data: Dataset, choice: str | Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """The kind of likelihood and its options, by default the first that is legal for the data.

    Columns of numbers of which none is missing have the Gaussian by default, as arrays of the same numbers have.
    """
    kinds = {cls.__name__: kind for kind, cls in LIKELIHOODS.kinds.items()}
    options = {"kind": choice} if isinstance(choice, str) else dict(choice or {})
    legal = data.protocol.likelihoods[-1 if data.protocol.kind == "columns" else 0]
    return LIKELIHOODS.named(options | {"kind": options.get("kind") or kinds[legal]})
