"""Screened log-likelihoods: the decoder in half precision, the heaviest samples again in full."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from prioria import VAE, evaluate, likelihoods, nets, posteriors, priors
from prioria.evaluate.likelihood import screened

INPUTS, SAMPLES = 64, 2000


class Kinds(nn.Module):
    """A decoder that notes the type and number of the rows it computes."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.seen = net, []

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        found = self.net(z)
        self.seen.append((found.dtype, z[..., 0].numel()))
        return found


def model(scale: float = 1.0) -> VAE:
    """Weights of a trained size: logits that differ by several nats, which bfloat16 rounds by hundredths."""
    torch.manual_seed(0)
    encoder, q = nets.GatedMLP(INPUTS, 16, gated_output=True), posteriors.Gaussian(16, 4)
    prior = priors.VampPrior(encoder, q, components=5, inputs=INPUTS)
    decoder = nets.GatedMLP(4, 32, INPUTS)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.mul_(scale)
    return VAE(encoder=encoder, posterior=q, prior=prior, likelihood=likelihoods.Bernoulli(Kinds(decoder))).eval()


def rows(count: int = 6) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, INPUTS), 0.4), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_error_is_far_below_that_of_half_precision_and_is_stated(scale: float) -> None:
    vae, x = model(scale), rows()
    full = evaluate.log_likelihood(vae, x, num_samples=SAMPLES)
    found = evaluate.log_likelihood(vae, x, num_samples=SAMPLES, precision="screened")
    error = (found.pointwise - full.pointwise).abs()
    with screened.halved(vae.likelihood, "cpu"):
        half = (evaluate.log_likelihood(vae, x, num_samples=SAMPLES).pointwise - full.pointwise).abs()
    assert half.max() > 1e-3  # there is something to mend
    assert error.max() < 0.005
    assert error.mean() < half.mean() / 2
    rounding = (found.monte_carlo_variance - full.monte_carlo_variance).clamp(min=0).sqrt()
    assert (error < 5 * rounding + 2e-3 * full.monte_carlo_variance.sqrt() + 1e-5).all()
    assert found.estimator == "importance sampling, screened in half precision"


def test_the_heaviest_are_decoded_in_full_precision_and_no_others() -> None:
    vae = model()
    vae.likelihood.net.seen.clear()
    evaluate.log_likelihood(vae, rows(2), num_samples=SAMPLES, precision="screened")
    counts = {
        kind: sum(n for seen, n in vae.likelihood.net.seen if seen == kind) for kind in (torch.bfloat16, torch.float32)
    }
    assert counts[torch.bfloat16] == 2 * SAMPLES
    assert 2 * screened.FIRST <= counts[torch.float32] < 2 * SAMPLES


def test_all_are_scored_again_where_no_few_hold_the_weight() -> None:
    """Equal weights: a tenth of the samples has a tenth of the weight, so that nine tenths must be scored."""
    vae = model(0.0)  # the decoder says nothing, and q is set to p below
    flat = VAE(
        encoder=nets.GatedMLP(INPUTS, 4, gated_output=True),
        posterior=Prior(),
        prior=priors.StandardNormal(4),
        likelihood=vae.likelihood,
    ).eval()
    vae.likelihood.net.seen.clear()
    full = evaluate.log_likelihood(flat, rows(1), num_samples=SAMPLES)
    vae.likelihood.net.seen.clear()
    found = evaluate.log_likelihood(flat, rows(1), num_samples=SAMPLES, precision="screened")
    assert sum(n for kind, n in vae.likelihood.net.seen if kind == torch.float32) >= 0.9 * SAMPLES
    assert found.pointwise.item() == pytest.approx(full.pointwise.item(), abs=1e-6)


class Prior(nn.Module):
    """q(z|x) = N(0, I), whatever x is."""

    def forward(self, context: torch.Tensor) -> torch.distributions.Distribution:
        zeros = torch.zeros(*context.shape[:-1], 4)
        return torch.distributions.Independent(torch.distributions.Normal(zeros, torch.ones_like(zeros)), 1)


def test_the_model_is_left_as_it_was() -> None:
    vae, x = model(), rows(2)
    before = evaluate.log_likelihood(vae, x, num_samples=50)
    evaluate.log_likelihood(vae, x, num_samples=300, precision="screened")
    after = evaluate.log_likelihood(vae, x, num_samples=50)
    assert torch.equal(before.pointwise, after.pointwise)
    assert not vae.likelihood._forward_hooks and not vae.likelihood._forward_pre_hooks


def test_another_precision_is_refused() -> None:
    unchecked = inspect.unwrap(evaluate.importance_log_likelihood)  # types are checked here before it is called
    with pytest.raises(ValueError, match="precision='half' is unknown; use 'full' or 'screened'"):
        unchecked(model(), rows(2), precision="half")
    with pytest.raises(ValueError, match="does not belong to method='ais'"):
        evaluate.log_likelihood(model(), rows(2), method="ais", precision="screened")
