"""Hierarchies: functions that return stages by name, top first."""

from prioria.stages.chain import BinaryHierarchy as BinaryHierarchy
from prioria.stages.chain import Ladder as Ladder
from prioria.stages.fused import Fused as Fused
from prioria.stages.two_level import TwoLevel as TwoLevel
