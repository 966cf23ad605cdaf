"""Hierarchies: functions that return stages by name, top first."""

from prioria.stages.chain import BinaryHierarchy as BinaryHierarchy
from prioria.stages.chain import Ladder as Ladder
from prioria.stages.classes import Classes as Classes
from prioria.stages.conv_ladder import ConvLadder as ConvLadder
from prioria.stages.conv_ladder import ConvStage as ConvStage
from prioria.stages.conv_ladder import groups_at as groups_at
from prioria.stages.dependency_graph import DependencyGraph as DependencyGraph
from prioria.stages.dependency_graph import Edge as Edge
from prioria.stages.dependency_graph import chain_edges as chain_edges
from prioria.stages.dependency_graph import edge_probabilities as edge_probabilities
from prioria.stages.dependency_graph import freeze_gates as freeze_gates
from prioria.stages.dependency_graph import full_edges as full_edges
from prioria.stages.dependency_graph import gates_of as gates_of
from prioria.stages.fused import Fused as Fused
from prioria.stages.gates import Gates as Gates
from prioria.stages.two_level import TwoLevel as TwoLevel
