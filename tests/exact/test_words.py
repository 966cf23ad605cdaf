"""Bags of words against scipy, and semantic hashing with an exact encoder."""

from __future__ import annotations

import numpy as np
import torch
from scipy import special, stats

from prioria import evaluate, theory
from prioria.distributions import Words
from prioria.hashing import hashing_objective, semantic_hashing

ALPHA = 1e-4  # false-alarm rate; the seed is fixed


def test_log_probability_is_the_multinomials_without_its_coefficient() -> None:
    logits, x = torch.randn(6, dtype=torch.float64), torch.tensor([3.0, 0.0, 1.0, 2.0, 0.0, 4.0], dtype=torch.float64)
    expected = stats.multinomial(10, special.softmax(logits.numpy())).logpmf(x.numpy())
    coefficient = special.gammaln(11) - special.gammaln(x.numpy() + 1).sum()
    np.testing.assert_allclose(Words(logits).log_prob(x).item(), expected - coefficient)


def test_draws_have_the_length_and_the_frequencies() -> None:
    words = Words(torch.tensor([[0.0, 1.0, 2.0], [2.0, 0.0, 0.0]]), length=50)
    x = words.sample((400,))
    assert x.shape == (400, 2, 3)
    assert (x.sum(-1) == 50).all()
    for each in range(2):
        expected = 400 * words.mean[each].numpy()
        assert stats.chisquare(x[:, each].sum(0).numpy(), expected).pvalue > ALPHA


def test_draws_may_have_a_length_each() -> None:
    lengths = torch.tensor([[7.0], [0.0], [50.0]])
    words = Words(torch.tensor([[0.0, 1.0, 2.0]]).repeat(3, 1)).of_length(lengths)
    x = words.sample((400,))
    assert (x.sum(-1, keepdim=True) == lengths).all()
    np.testing.assert_allclose(words.mean.numpy(), lengths.numpy() * special.softmax([0.0, 1.0, 2.0]), rtol=1e-6)
    for each in (0, 2):
        assert stats.chisquare(x[:, each].sum(0).numpy(), 400 * words.mean[each].numpy()).pvalue > ALPHA


def test_linear_decoder_with_uniform_code_has_the_exact_posterior_only_up_to_its_normalizer() -> None:
    """log p(x|z) = <x, W z + u> - |x| A(z): posterior logits are affine in counts but for A, which couples the bits."""
    model = semantic_hashing(5, 3)
    x = torch.randint(0, 4, (7, 5)).float()
    found = theory.exact(model, x)
    assert (found.approximation_error >= -1e-9).all()
    estimate = evaluate.elbo(model, x, num_samples=4000)
    assert abs(estimate.value - found.elbo.mean().item()) < 4 * estimate.monte_carlo_error


def test_hashing_trains_by_score_function() -> None:
    model, objective = semantic_hashing(5, 3), hashing_objective()
    x = torch.randint(0, 4, (32, 5)).float()
    objective.check(model, x)
    before = theory.exact(model, x).elbo.mean().item()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        objective(model.draw(x, objective.num_samples)).surrogate.backward()
        optimizer.step()
    assert theory.exact(model, x).elbo.mean().item() > before + 0.5


def test_one_document_is_drawn_and_many_take_the_memory_of_their_counts() -> None:
    torch.manual_seed(0)
    probabilities = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert Words(probabilities.log()).sample().sum() == 100
    counts = Words(probabilities.log()).sample(torch.Size([2000]))
    assert (counts.sum(-1) == 100).all()
    # four standard errors of each mean: a false alarm of 3e-4 for the four
    error = 4 * (100 * probabilities * (1 - probabilities) / 2000).sqrt()
    assert ((counts.mean(0) - 100 * probabilities).abs() < error).all()
