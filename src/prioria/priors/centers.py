"""Centers of rows, where components may begin."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def centers(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns centers (count, D) of rows (N, D) by k-means, and the center of each row (N,).

    Where there are more centers than distinct rows, the others lie on rows, which are none of theirs. The seed is drawn
    from torch's generator.
    """
    from sklearn.cluster import KMeans

    many = min(count, len(rows.unique(dim=0)))
    seed = int(torch.randint(2**31 - 1, ()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may find fewer
        means = KMeans(many, n_init=1, random_state=seed)  # pyright: ignore[reportArgumentType]
        labels = means.fit_predict(rows.double().numpy())
    found = torch.from_numpy(means.cluster_centers_).to(rows.dtype)
    return torch.cat([found, rows[torch.randint(len(rows), (count - many,))]]), torch.from_numpy(labels).long()
