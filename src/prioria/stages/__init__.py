"""Hierarchies: functions that return stages by name, top first."""

from prioria.stages.two_level import TwoLevel as TwoLevel
