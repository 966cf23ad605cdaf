"""What a network reads of a document, and what it says of its words."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prioria.module import Module
from prioria.nets.skip import zero_last


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


class TopicShares(Module):
    r"""x (B, W) -> log a (B, K), the variational Dirichlet of topics' shares in a document, and what a network adds.

    Coordinate ascent a_k = alpha + sum_w x_w phi_wk, phi_wk prop. to beta_kw exp(digamma(a_k)), some rounds from equal
    shares (Blei, Ng and Jordan, 2003, eq. 6 and 7). The network's last layer starts at zero.

    Args:
        topics: K.
        words: W.
        net: network (..., W) -> (..., K); None for none.
        rounds: of coordinate ascent.

    Example:
        >>> TopicShares(2, 3)(torch.tensor([[2.0, 1.0, 0.0]])).exp()
        tensor([[2.5000, 2.5000]], grad_fn=<ExpBackward0>)
    """

    def __init__(self, topics: int, words: int, net: nn.Module | None = None, *, rounds: int = 30) -> None:
        super().__init__()
        if net is not None:
            zero_last(net)
        self.net, self.rounds = net, rounds
        self.logits = nn.Parameter(torch.zeros(topics, words))
        self.log_concentration = nn.Parameter(torch.zeros(topics))

    def forward(self, x: Tensor) -> Tensor:
        words, alpha = self.logits.softmax(-1), self.log_concentration.exp()
        with torch.no_grad():
            found = alpha + x.sum(-1, keepdim=True).expand(*x.shape[:-1], len(alpha)) / len(alpha)
            for _ in range(self.rounds - 1):
                found = self._round(x, found, words, alpha)
        log_a = self._round(x, found, words, alpha).log()
        return log_a if self.net is None else log_a + self.net(x)

    @staticmethod
    def _round(x: Tensor, a: Tensor, words: Tensor, alpha: Tensor) -> Tensor:
        weight = (torch.digamma(a) - torch.digamma(a.sum(-1, keepdim=True))).exp()
        return alpha + weight * ((x / (weight @ words).clamp(min=1e-30)) @ words.mT)


class TopicWords(Module):
    r"""z (..., K) -> log sum_k softmax(z)_k beta_kw (..., W), and what a network of the shares adds, zero at first.

    Args:
        topics: K.
        words: W.
        net: network (..., K) -> (..., W); None for none.

    Example:
        >>> TopicWords(2, 4)(torch.zeros(2)).exp()
        tensor([0.2500, 0.2500, 0.2500, 0.2500], grad_fn=<ExpBackward0>)
    """

    def __init__(self, topics: int, words: int, net: nn.Module | None = None) -> None:
        super().__init__()
        if net is not None:
            zero_last(net)
        self.net = net
        self.logits = nn.Parameter(torch.zeros(topics, words))

    def forward(self, z: Tensor) -> Tensor:
        shares = z.softmax(-1)
        found = (shares @ self.logits.softmax(-1)).clamp(min=1e-30).log()
        return found if self.net is None else found + self.net(shares)
