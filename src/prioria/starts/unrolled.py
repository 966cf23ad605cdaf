"""Linear algebra of small matrices in products and sums, for files in which there is no factorization, such as ONNX."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def cholesky(matrix: Float[Tensor, "*batch L L"]) -> Float[Tensor, "*batch L L"]:
    """Returns the lower triangles T with T T' = A of positive definite matrices A, column by column.

    Example:
        >>> cholesky(torch.tensor([[4.0, 2.0], [2.0, 2.0]]))
        tensor([[2., 0.],
                [1., 1.]])
    """
    size = matrix.shape[-1]
    rows, columns = torch.arange(size, device=matrix.device), []
    for j in range(size):
        column = matrix[..., j] / matrix[..., j, j : j + 1].sqrt() * (rows >= j)
        matrix = matrix - column.unsqueeze(-1) * column.unsqueeze(-2)
        columns.append(column)
    return torch.stack(columns, -1)


def invert(lower: Float[Tensor, "*batch L L"]) -> Float[Tensor, "*batch L L"]:
    """Returns the inverse of lower triangles, row by row.

    Example:
        >>> invert(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
        tensor([[ 0.5000,  0.0000],
                [-0.5000,  1.0000]])
    """
    rows: list[Tensor] = []
    for i, unit in enumerate(torch.eye(lower.shape[-1], dtype=lower.dtype, device=lower.device).unbind()):
        row = unit.expand(lower.shape[:-1])
        if rows:
            row = row - (lower[..., i, None, :i] @ torch.stack(rows, -2)).squeeze(-2)
        rows.append(row / lower[..., i, i : i + 1])
    return torch.stack(rows, -2)
