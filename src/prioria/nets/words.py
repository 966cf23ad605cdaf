"""What a network reads of a document."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prioria.module import Module


class TfIdf(Module):
    r"""net(h), h = r log(1 + x) * idf / |log(1 + x) * idf| for counts of words x (..., W), r = sqrt(W) / 2.

    Documents of any length have one norm, and words that are everywhere count little. The weights are all one until
    :meth:`weights` of training rows are copied into the buffer ``idf``.

    Args:
        words: W.
        net: network (..., W) -> features.

    Example:
        >>> TfIdf(4, nn.Identity())(torch.tensor([[3.0, 0.0, 0.0, 0.0]]))
        tensor([[1., 0., 0., 0.]])
    """

    def __init__(self, words: int, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("idf", torch.ones(words))

    @staticmethod
    def weights(documents: Tensor) -> Tensor:
        """Returns 1 + log(N / (1 + documents that have the word)) (W,) of documents (N, W)."""
        return (len(documents) / (1 + (documents > 0).sum(0))).log() + 1

    def forward(self, x: Tensor) -> Tensor:
        h = x.log1p() * self.get_buffer("idf")
        return self.net(h / h.norm(dim=-1, keepdim=True).clamp(min=1e-6) * (x.shape[-1] ** 0.5 / 2))
