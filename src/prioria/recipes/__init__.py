"""Published tables: one file for each, which enumerates its rows beside the published numbers."""

from collections.abc import Callable
from pathlib import Path

from prioria.recipes import dependency_graph, dpvae, exponential_family, vampprior, vhp
from prioria.recipes.cell import Cell as Cell
from prioria.recipes.cell import compute as compute
from prioria.recipes.page import write_page as write_page
from prioria.recipes.pairs import compute_pair_cell as compute_pair_cell
from prioria.recipes.pairs_page import write_pairs_page as write_pairs_page
from prioria.recipes.table import Budget as Budget
from prioria.recipes.table import Published as Published
from prioria.recipes.table import Row as Row
from prioria.recipes.table import Table as Table

TABLES: dict[str, Table] = {table.name: table for table in (vampprior.TABLE, vhp.TABLE, dependency_graph.TABLE)}
EXPERIMENTS: dict[str, Callable[[str, Path], Path]] = {"exponential-family": exponential_family.reproduce}
PAIRED: dict[str, Table] = {dpvae.TABLE.name: dpvae.TABLE}
