"""Published tables: one file for each, which enumerates its rows beside the published numbers."""

from prioria.recipes import vampprior, vhp
from prioria.recipes.cell import Cell as Cell
from prioria.recipes.cell import compute as compute
from prioria.recipes.page import write_page as write_page
from prioria.recipes.table import Budget as Budget
from prioria.recipes.table import Published as Published
from prioria.recipes.table import Row as Row
from prioria.recipes.table import Table as Table

TABLES: dict[str, Table] = {table.name: table for table in (vampprior.TABLE, vhp.TABLE)}
