"""Published tables: one file for each, which enumerates its rows beside the published numbers."""

from prioria.papers import claims as claims
from prioria.papers.catalogue import TABLES as TABLES
from prioria.papers.cell import cells as cells
from prioria.papers.cell import compute as compute
from prioria.papers.grid import computed as computed
from prioria.papers.table import Budget as Budget
from prioria.papers.table import Cell as Cell
from prioria.papers.table import Published as Published
from prioria.papers.table import Row as Row
from prioria.papers.table import Table as Table
