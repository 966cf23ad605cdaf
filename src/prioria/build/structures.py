"""Hierarchies: each kind is a record whose fields are its options, and which builds its parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, NamedTuple

from torch import nn

from prioria import nets, stages
from prioria.build.networks import Networks
from prioria.nets.pyramid import Normalization
from prioria.stage import Stage
from prioria.stages import Edge
from prioria.stages.conv_ladder import Posterior

GATES = ("per_example", "decay", "floor")  # options of gates that learn edges


class Assembled(NamedTuple):
    """What a hierarchy brings to a model.

    Attributes:
        encoder: x -> features of every group.
        stages: top first.
        decoder: quantities per value -> the network of the likelihood.
    """

    encoder: nn.Module
    stages: dict[str, Stage]
    decoder: Callable[[int], nn.Module]


class Structure(ABC):
    """A kind of hierarchy with its options chosen.

    Attributes:
        own_networks: it brings its encoder and decoder: no network is chosen for it.
        warm_start: a second phase of training begins with the weights of the first.
    """

    own_networks: ClassVar[bool] = False
    warm_start: bool | None = None

    @property
    def learns_edges(self) -> bool:
        """Whether a first phase of training finds its edges."""
        return False

    def phases(self, epochs: int) -> tuple[int, int]:
        """Returns the epochs that learn the edges, and those that train what was found."""
        return 0, epochs

    @abstractmethod
    def assembled(self, networks: Networks, edges: Collection[Edge] | None = None) -> Assembled:
        """Builds encoder, stages and decoder for data of the networks' shape.

        Args:
            networks: what it leaves open.
            edges: that a first phase has found.
        """


@dataclass(frozen=True)
class Ladder(Structure):
    """Gaussian groups in a chain, each fused with evidence from x.

    Args:
        groups: latents of each group, top first.
        hidden: width of the layers that belong to a group.
    """

    groups: tuple[int, ...] = (8, 16)
    hidden: int = 64

    def assembled(self, networks: Networks, edges: Collection[Edge] | None = None) -> Assembled:
        _check_dense(networks, "ladder")
        latents = _named(self.groups)
        features = dict.fromkeys(latents, self.hidden)
        encoder = nets.BottomUp(networks.inputs, features, activate_output=True)
        groups = stages.Ladder(latents, features, hidden=self.hidden)
        return Assembled(encoder, groups, partial(networks.decoder, self.groups[-1]))


@dataclass(frozen=True)
class Binary(Structure):
    """Bits in a chain.

    Args:
        groups: bits of each group, top first.
        hidden: width of a hidden layer between two groups; none without it.
        straight_through: differentiate draws straight through; else by score function, with several samples.
        root: whether the top group's evidence is fused with its prior.
    """

    groups: tuple[int, ...] = (8, 16)
    hidden: int | None = None
    straight_through: bool = True
    root: Literal["evidence", "fused"] = "fused"

    def assembled(self, networks: Networks, edges: Collection[Edge] | None = None) -> Assembled:
        _check_dense(networks, "binary")
        bits = _named(self.groups)
        groups = stages.BinaryHierarchy(
            bits, hidden=self.hidden, straight_through=self.straight_through, root=self.root
        )
        return Assembled(nets.BottomUp(networks.inputs, bits), groups, partial(networks.decoder, self.groups[-1]))


@dataclass(frozen=True)
class Graph(Structure):
    """Gaussian groups in a latent dependency graph.

    Args:
        nodes: how many groups.
        latents: of each group.
        hidden: width of the layers that belong to a group.
        edges: learned in a first phase, or fixed.
        structure_epochs: of the first phase, which learns edges; a quarter of all epochs by default.
        warm_start: begin the second phase with the weights of the first.
        flow_steps: steps of an inverse autoregressive flow behind each posterior.
        per_example: draw gates for each example, else once for a batch.
        batch_norm: normalize hidden layers over the batch.
        decay: factor on the temperature of the gates after each epoch, 0.99 by default.
        floor: least temperature, 0.1 by default.

    Raises:
        ValueError: an option of edges that are learned, where they are fixed.
    """

    nodes: int = 3
    latents: int = 8
    hidden: int = 64
    edges: Literal["learned", "chain", "full", "none"] = "learned"
    structure_epochs: int | None = None
    warm_start: bool | None = None
    flow_steps: int = 0
    per_example: bool | None = None
    batch_norm: bool = False
    decay: float | None = None
    floor: float | None = None

    def __post_init__(self) -> None:
        for option in ("structure_epochs", "warm_start", *GATES):
            if self.edges != "learned" and getattr(self, option) is not None:
                raise ValueError(
                    f"stages.{option} is for edges that are learned; leave it out, or leave out "
                    f"stages.edges {self.edges}"
                )

    @property
    def learns_edges(self) -> bool:
        return self.fixed is None

    @property
    def fixed(self) -> Collection[Edge] | None:
        """The edges; None where they are to be learned."""
        chosen = {"chain": stages.chain_edges, "full": stages.full_edges, "none": lambda _: []}
        return chosen[self.edges](self.nodes) if self.edges in chosen else None

    def phases(self, epochs: int) -> tuple[int, int]:
        """Returns the epochs that learn the edges, and those that train the graph that was found.

        Raises:
            ValueError: one of them is left without any.
        """
        first = max(1, epochs // 4) if self.structure_epochs is None else self.structure_epochs
        if not 0 < first < epochs:
            raise ValueError(f"epochs {epochs} leaves {first} to learn edges; both phases need at least one")
        return first, epochs - first

    def assembled(self, networks: Networks, edges: Collection[Edge] | None = None) -> Assembled:
        """Builds the parts with these edges, or with those that are fixed; else with gates that learn them."""
        gates = {option: getattr(self, option) for option in GATES}
        groups = stages.DependencyGraph(
            nodes=self.nodes,
            latents=self.latents,
            features=networks.features,
            hidden=self.hidden,
            edges=self.fixed if edges is None else edges,
            flow_steps=self.flow_steps,
            batch_norm=self.batch_norm,
            **{option: value for option, value in gates.items() if value is not None},
        )
        return Assembled(networks.encoder(), groups, partial(networks.decoder, self.nodes * self.latents))


@dataclass(frozen=True)
class ConvLadder(Structure):
    """Groups of feature maps with residual cells, for pictures.

    Args:
        groups: how many groups at each size of the maps, the smallest first; the last are half as large as x.
        channels: of the feature maps.
        latents: channels of each group.
        posterior: residual, precision-weighted or free.
        cells_per_group: residual cells between two groups.
        normalization: of the convolutions: none, weight or spectral.
    """

    groups: tuple[int, ...] = (2, 2)
    channels: int = 16
    latents: int = 4
    posterior: Posterior = "residual"
    cells_per_group: int = 1
    normalization: Normalization = "none"
    own_networks: ClassVar[bool] = True

    def assembled(self, networks: Networks, edges: Collection[Edge] | None = None) -> Assembled:
        if len(networks.shape) != 3:
            raise ValueError(
                f"stages conv-ladder needs images, not data of shape {networks.shape}; use ladder, binary or graph"
            )
        shape, smallest = networks.image, len(self.groups)
        scales = stages.groups_at({smallest - index: count for index, count in enumerate(self.groups)})
        look = partial(dict, channels=self.channels, normalization=self.normalization)
        cells = look(cells_per_group=self.cells_per_group)
        groups = stages.ConvLadder(shape, scales, latents=self.latents, posterior=self.posterior, **cells)
        return Assembled(
            nets.Pyramid(shape, scales, **cells),
            groups,
            lambda per_value: nets.PyramidHead(shape, outputs_per_pixel=per_value, **look()),
        )


def _check_dense(networks: Networks, kind: str) -> None:
    if not networks.dense:
        raise ValueError(
            f"network {networks.name} does not go with stages {kind}, whose encoder is dense and its own; "
            "use gated or mlp for the decoder, stages graph for any network, or stages conv-ladder for pictures"
        )


def _named(sizes: tuple[int, ...]) -> dict[str, int]:
    if not sizes or min(sizes) < 1:
        raise ValueError(f"stages.groups {sizes} must be the positive sizes of at least one group, top first")
    return {f"z{len(sizes) - index}": size for index, size in enumerate(sizes)}
