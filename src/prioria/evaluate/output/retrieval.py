"""How many of the documents nearest in Hamming distance share the label of a query."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prioria.evaluate.record import plus_minus

TILE = 2**20  # distances at a time


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Precision of looking documents up by their codes.

    Attributes:
        pointwise: precision of each query (Q,).
        chance: the mean share of all documents that have the label of a query.
        nearest: documents that are looked up for each query.
    """

    pointwise: Float[Tensor, " Q"]
    chance: float
    nearest: int

    @property
    def value(self) -> float:
        """Mean over the queries."""
        return self.pointwise.mean().item()

    @property
    def standard_error(self) -> float:
        """The error over queries; nan for a single one."""
        return self.pointwise.std().item() / math.sqrt(len(self.pointwise)) if len(self.pointwise) > 1 else math.nan

    def __str__(self) -> str:
        found = plus_minus(self.value, error=self.standard_error, digits=3)
        return f"{found} among the {self.nearest} nearest of {len(self.pointwise)} queries (chance {self.chance:.3f})"


def retrieval_precision(
    queries: Bool[Tensor, "Q bits"],
    query_labels: Tensor,
    documents: Bool[Tensor, "N bits"],
    labels: Tensor,
    *,
    nearest: int = 100,
) -> Retrieval:
    """Returns the precision among the documents nearest to each query in Hamming distance.

    Of documents at the same distance, where only some belong to the nearest, each counts with the same share: the
    precision is its expectation over the order of ties, so that it does not depend on the order of the documents.

    Args:
        queries: codes of the queries.
        query_labels: their labels (Q,).
        documents: codes that are searched.
        labels: their labels (N,).
        nearest: how many documents are looked up.

    Raises:
        ValueError: there are fewer documents than are to be looked up, or labels do not fit codes.

    Example:
        >>> code = torch.tensor([[True, False], [True, False], [False, True]])
        >>> print(retrieval_precision(code[:2], torch.tensor([0, 1]), code, torch.tensor([0, 1, 1]), nearest=2))
        0.500 ± 0.000 among the 2 nearest of 2 queries (chance 0.500)
    """
    if not 1 <= nearest <= len(documents):
        raise ValueError(f"nearest={nearest} must be at least 1 and at most the {len(documents)} documents")
    if query_labels.shape != queries.shape[:1] or labels.shape != documents.shape[:1]:
        raise ValueError(f"labels of shapes {tuple(query_labels.shape)}, {tuple(labels.shape)}: give one for each code")
    rows = max(1, TILE // len(documents))
    parts = [
        _precision(codes, wanted, documents, labels, nearest)
        for codes, wanted in zip(queries.split(rows), query_labels.split(rows), strict=True)
    ]
    chance = torch.stack([(labels == wanted).double().mean() for wanted in query_labels.unique()])
    counts = torch.stack([(query_labels == wanted).double().mean() for wanted in query_labels.unique()])
    return Retrieval(torch.cat(parts), (chance * counts).sum().item(), nearest)


def _precision(queries: Tensor, wanted: Tensor, documents: Tensor, labels: Tensor, nearest: int) -> Tensor:
    bits = queries.shape[1]
    signs, others = 2 * queries.float() - 1, 2 * documents.float() - 1
    distances = ((bits - signs @ others.mT) / 2).round().long()
    same = (wanted[:, None] == labels).double()
    histogram = same.new_zeros(len(queries), bits + 1)
    total = histogram.scatter_add(1, distances, torch.ones_like(same))
    relevant = histogram.scatter_add(1, distances, same)
    taken = (nearest - (total.cumsum(1) - total)).clamp(min=0).minimum(total)  # documents taken at each distance
    return (relevant * taken / total.clamp(min=1)).sum(1) / nearest
