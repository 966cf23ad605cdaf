"""The table of structures: every row draws images from the groups that its title names."""

from __future__ import annotations

import pytest
import torch

from prioria.data import Dataset, Protocol, Split
from prioria.papers import TABLES

TABLE = TABLES["structures"]
GROUPS = {"vae": 1, "binary-hierarchy": 3, "ladder": 3, "conv-ladder": 10}


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    protocol = Protocol(
        name="bits",
        title="Bits",
        shape=(1, 28, 28),
        kind="binary",
        binarization="none",
        likelihoods=("Bernoulli",),
        split="the same rows",
        source="drawn in a test",
    )
    split = Split(torch.bernoulli(torch.full((4, 784), 0.2)), None, protocol)
    return Dataset(protocol, split, split, split)


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.name)
def test_rows_have_their_groups_and_a_finite_gradient(row, pictures) -> None:
    assert row.build is not None and row.objective is not None
    model, objective = row.build(pictures), row.objective(pictures, TABLE.budgets["cpu"])
    assert len(model.groups) == GROUPS[row.name]
    objective.check(model, pictures.train)
    loss = objective(model.draw(pictures.train.tensor()))
    loss.surrogate.backward()
    assert torch.isfinite(loss.per_example).all() and loss.per_example.shape == (4,)
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_likelihoods_are_of_200_images() -> None:
    budgets = [budget for name, budget in TABLE.budgets.items() if name != "smoke"]
    budgets += [budget for row in TABLE.rows for budget in row.budgets.values()]
    assert {(budget.limit, budget.num_samples) for budget in budgets} == {(200, 1000)}
