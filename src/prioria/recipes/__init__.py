"""Published tables: one file for each, which enumerates its rows beside the published numbers."""

from prioria.recipes.catalogue import TABLES as TABLES
from prioria.recipes.cell import Cell as Cell
from prioria.recipes.cell import cells as cells
from prioria.recipes.cell import compute as compute
from prioria.recipes.grid import computed as computed
from prioria.recipes.page import Page as Page
from prioria.recipes.table import Budget as Budget
from prioria.recipes.table import Published as Published
from prioria.recipes.table import Row as Row
from prioria.recipes.table import Table as Table
