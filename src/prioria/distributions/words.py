"""Documents as bags of words."""

from __future__ import annotations

import torch
from torch import Size, Tensor
from torch.distributions import Distribution


class Words(Distribution):
    r"""Counts x (..., W) of words drawn independently with probabilities softmax(logits).

    log p(x) = sum_w x_w log p_w, the log-probability of the words in their order: the multinomial coefficient, in which
    no model has a part, is left out. The length of a document is given, not modeled; draws have ``length`` words.

    Args:
        logits: (..., W).
        length: words of a draw, one number or one for each draw (..., 1).

    Example:
        >>> Words(torch.zeros(4)).log_prob(torch.tensor([2.0, 0.0, 0.0, 1.0])).exp()
        tensor(0.0156)
    """

    arg_constraints: dict = {}
    ordered = True

    def __init__(self, logits: Tensor, length: Tensor | int = 100) -> None:
        self.log_probabilities, self.length = logits.log_softmax(-1), length
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.expected(self.length)

    def expected(self, length: Tensor | int) -> Tensor:
        """Returns the expected counts of documents of other lengths, (..., 1) or one for all."""
        return length * self.log_probabilities.exp()

    def of_length(self, length: Tensor | int) -> Words:
        """Returns the distribution over documents of other lengths, (..., 1) or one for all."""
        return Words(self.log_probabilities, length)

    def log_prob(self, value: Tensor) -> Tensor:
        return (value * self.log_probabilities).sum(-1)

    def sample(self, sample_shape: Size | tuple[int, ...] = Size()) -> Tensor:
        with torch.no_grad():
            shape = Size(sample_shape) + self.batch_shape
            probabilities = (
                self.log_probabilities.exp().expand(*shape, *self.event_shape).reshape(-1, *self.event_shape)
            )
            length = torch.as_tensor(self.length, device=probabilities.device).expand(*shape, 1).reshape(-1, 1)
            words = torch.multinomial(probabilities, max(1, int(length.max())), replacement=True)
            kept = torch.arange(words.shape[1], device=words.device) < length
            counts = torch.zeros_like(probabilities).scatter_add_(1, words, kept.to(probabilities))
            return counts.reshape(*shape, *self.event_shape)
