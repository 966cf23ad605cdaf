"""Hierarchies: functions that return stages by name, top first."""

from prioria.stages.chain import BinaryHierarchy, Ladder
from prioria.stages.classes import Classes
from prioria.stages.conv_ladder import ConvLadder, ConvStage, groups_at
from prioria.stages.dependency_graph import (
    DependencyGraph,
    Edge,
    chain_edges,
    edge_probabilities,
    freeze_gates,
    full_edges,
    gates_of,
)
from prioria.stages.fused import Fused
from prioria.stages.gates import Gates
from prioria.stages.two_level import TwoLevel

__all__ = [
    "BinaryHierarchy",
    "Classes",
    "ConvLadder",
    "ConvStage",
    "DependencyGraph",
    "Edge",
    "Fused",
    "Gates",
    "Ladder",
    "TwoLevel",
    "chain_edges",
    "edge_probabilities",
    "freeze_gates",
    "full_edges",
    "gates_of",
    "groups_at",
]
