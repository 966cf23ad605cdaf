"""Published tables: one file for each, which enumerates its rows beside the published numbers."""

from prioria.papers import claims
from prioria.papers.catalogue import TABLES
from prioria.papers.cell import cells, compute
from prioria.papers.grid import computed
from prioria.papers.table import Budget, Cell, Published, Row, Table

__all__ = [
    "TABLES",
    "Budget",
    "Cell",
    "Published",
    "Row",
    "Table",
    "cells",
    "claims",
    "compute",
    "computed",
]
