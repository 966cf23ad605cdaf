"""All tables, by name."""

from __future__ import annotations

from prioria.papers import (
    dependency_graph,
    disentanglement,
    dpvae,
    exponential_family,
    faces,
    imputation,
    motion,
    own_tables,
    pendulum,
    structures,
    vampprior,
    vhp,
)
from prioria.papers.table import Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        vampprior.TABLE,
        vhp.TABLE,
        pendulum.TABLE,
        motion.TABLE,
        faces.TABLE,
        dpvae.TABLE,
        disentanglement.TABLE,
        dependency_graph.TABLE,
        structures.TABLE,
        exponential_family.TABLE,
        own_tables.TABLE,
        imputation.TABLE,
    )
}
