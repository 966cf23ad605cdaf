"""Binary hierarchies against sums over every code, written out without the library."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import special, stats

from prioria import VAE, likelihoods, nets, objectives, stages, theory

INPUTS = 4
ALPHA = 1e-4  # false-alarm rate of each test of an average; the seeds are fixed


def hierarchy(*bits: int, straight_through: bool = True) -> VAE:
    sizes = {f"z{i}": n for i, n in enumerate(bits)}
    return VAE(
        encoder=nets.BottomUp(INPUTS, sizes, activation="tanh"),
        stages=stages.BinaryHierarchy(sizes, straight_through=straight_through),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(bits[-1], INPUTS)),
    ).double()


def log_bits(logits: np.ndarray, z: np.ndarray) -> float:
    return float(-np.logaddexp(0, np.where(z == 1, -logits, logits)).sum())


class ByHand:
    """log p(x, z) and log q(z | x) of a hierarchy from its weights, one code at a time, in numpy."""

    def __init__(self, model: VAE, bits: tuple[int, ...]) -> None:
        self.w = {name: p.detach().numpy() for name, p in model.named_parameters()}
        self.bits = bits

    def evidence(self, x: np.ndarray) -> list[np.ndarray]:
        a, h = [], x
        for i in reversed(range(len(self.bits))):
            weight, bias = (self.w[f"encoder.x.layers.z{i}.{part}"] for part in ("weight", "bias"))
            a.insert(0, weight @ h + bias)
            h = np.tanh(a[0])
        return a

    def prior_logits(self, i: int, above: np.ndarray | None) -> np.ndarray:
        if above is None:
            return self.w["stages.z0.p.logits"]
        return self.w[f"stages.z{i}.p.head.weight"] @ above + self.w[f"stages.z{i}.p.head.bias"]

    def log_px(self, x: np.ndarray, z: np.ndarray) -> float:
        weight, bias = (self.w[f"likelihood.net.layers.0.{part}"] for part in ("weight", "bias"))
        return log_bits(weight @ z + bias, x)

    def terms(self, x: np.ndarray, z: list[np.ndarray]) -> tuple[float, float]:
        evidence, log_p, log_q = self.evidence(x), self.log_px(x, z[-1]), 0.0
        for i, code in enumerate(z):
            logits = self.prior_logits(i, z[i - 1] if i else None)
            log_p, log_q = log_p + log_bits(logits, code), log_q + log_bits(logits + evidence[i], code)
        return log_p, log_q

    def exact(self, x: np.ndarray) -> tuple[float, float]:
        configurations = itertools.product(*[itertools.product([0.0, 1.0], repeat=n) for n in self.bits])
        terms = np.array([self.terms(x, [np.array(code) for code in z]) for z in configurations])
        joint, log_q = terms.T
        return special.logsumexp(joint), float((np.exp(log_q) * (joint - log_q)).sum())


def rows(count: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, INPUTS), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("bits", [(3,), (1, 2), (3, 3), (2, 3, 1), (3, 3, 3)])
def test_elbo_and_likelihood_equal_the_sum_over_codes(bits: tuple[int, ...]) -> None:
    model, x = hierarchy(*bits), rows(2)
    ours, by_hand = theory.exact(model, x), ByHand(model, bits)
    for b in range(2):
        likelihood, elbo = by_hand.exact(x[b].numpy())
        assert ours.log_likelihood[b].item() == pytest.approx(likelihood, abs=1e-9)
        assert ours.elbo[b].item() == pytest.approx(elbo, abs=1e-9)


def test_exact_gradient_equals_finite_differences_by_hand() -> None:
    bits, step = (3, 3, 3), 1e-5
    model, x = hierarchy(*bits), rows(1)
    theory.exact(model, x).elbo.sum().backward()
    for name, parameter in model.named_parameters():
        flat, gradient = parameter.detach().view(-1), parameter.grad.view(-1)
        index = int(gradient.abs().argmax())
        values = []
        for shift in (step, -2 * step):
            flat[index] += shift
            values.append(ByHand(model, bits).exact(x[0].numpy())[1])
        flat[index] += step
        assert gradient[index].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-8), name


def gradients(model: VAE, objective: objectives.Objective, x: torch.Tensor, repeats: int) -> torch.Tensor:
    """Gradients of independent batches (repeats, parameters): x stands many times in each."""
    rows, parameters = x.repeat(500, 1), list(model.parameters())
    each = []
    for _ in range(repeats):
        loss = objective(model.draw(rows, objective.num_samples)).surrogate
        each.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]))
    return torch.stack(each)


def exact_gradient(loss: torch.Tensor, model: VAE) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def p_value(sample: torch.Tensor, truth: torch.Tensor) -> float:
    """That the sample's mean is the truth: the smallest of the t tests by coordinate, times their number."""
    spread = sample.std(0)
    used = spread > 1e-12
    torch.testing.assert_close(sample.mean(0)[~used], truth[~used], rtol=1e-8, atol=1e-10)
    t = (sample.mean(0) - truth)[used] / (spread[used] / len(sample) ** 0.5)
    return float(2 * stats.t.sf(t.abs().max().item(), len(sample) - 1) * used.sum().item())


@pytest.mark.parametrize("bits", [(2,), (2, 3), (3, 3, 3)])
@pytest.mark.parametrize("options", [{}, {"closed_form_kl": True}, {"beta": 0.5}], ids=["sampled", "closed", "beta"])
def test_leave_one_out_gradient_is_the_exact_one_on_average(bits: tuple[int, ...], options: dict) -> None:
    model, x = hierarchy(*bits, straight_through=False), rows(3)
    states = model.condition(x).draw(2 ** sum(bits), given=theory.states_of(model, x).z)
    weight = torch.stack([latent.log_q for latent in states.latents.values()]).sum(0).exp()
    cost = -states.log_w + (options.get("beta", 1.0) - 1) * states.rate
    truth = exact_gradient((weight * cost).sum(0).mean(), model)
    sample = gradients(model, objectives.ELBO(num_samples=2, **options), x, repeats=60)
    assert p_value(sample, truth) > ALPHA


def test_importance_weighted_score_gradient_is_the_exact_one_on_average() -> None:
    model, x = hierarchy(2, 2, straight_through=False), rows(1)
    states = model.condition(x).draw(16, given=theory.states_of(model, x).z)
    log_q = torch.stack([latent.log_q for latent in states.latents.values()]).sum(0)[:, 0]
    log_w = states.log_w[:, 0]
    pairs = torch.logaddexp(log_w[:, None], log_w) - torch.tensor(2.0).log()  # the bound of every pair of draws
    truth = exact_gradient(-((log_q[:, None] + log_q).exp() * pairs).sum(), model)
    assert p_value(gradients(model, objectives.IWAE(num_samples=2), x, repeats=60), truth) > ALPHA


def test_straight_through_gradient_is_biased() -> None:
    torch.manual_seed(0)  # of one model: that of another may have a bias too small for so many draws
    model, x = hierarchy(2, 3), rows(3)
    truth = exact_gradient(-theory.exact(model, x).elbo.mean(), model)
    assert p_value(gradients(model, objectives.ELBO(), x, repeats=60), truth) < ALPHA
    biased = theory.gradient_bias(model, objectives.ELBO(), x.repeat(500, 1), repeats=40)
    torch.testing.assert_close(biased.exact, truth)
    assert biased.relative > 3 * biased.noise


def test_reported_bias_of_the_score_function_is_its_noise() -> None:
    model, x = hierarchy(2, 3, straight_through=False), rows(3)
    unbiased = theory.gradient_bias(model, objectives.ELBO(num_samples=2), x.repeat(500, 1), repeats=40)
    assert unbiased.relative < 2 * unbiased.noise


def test_one_sample_without_a_gradient_is_refused_in_training_and_fine_in_validation() -> None:
    model, x = hierarchy(2, 2, straight_through=False), rows(3)
    with pytest.raises(ValueError, match="num_samples=1.*straight_through"):
        objectives.ELBO()(model.draw(x))
    with torch.no_grad():
        assert objectives.ELBO()(model.draw(x)).value.isfinite()


@pytest.mark.parametrize("bits", [(3,), (2, 3), (3, 2, 3)])
def test_backward_messages_equal_sums_over_the_groups_below(bits: tuple[int, ...]) -> None:
    model, x = hierarchy(*bits), rows(1)
    by_hand, messages = ByHand(model, bits), theory.backward_messages(model, x)
    for i, n in enumerate(bits):
        for s, above in enumerate(itertools.product([0.0, 1.0], repeat=n)):
            below = itertools.product(*[itertools.product([0.0, 1.0], repeat=m) for m in bits[i + 1 :]])
            paths = [[np.array(above), *map(np.array, rest)] for rest in below]
            terms = [
                by_hand.log_px(x[0].numpy(), path[-1])
                + sum(log_bits(by_hand.prior_logits(i + j, path[j - 1]), path[j]) for j in range(1, len(path)))
                for path in paths
            ]
            assert messages[f"z{i}"][s, 0].item() == pytest.approx(special.logsumexp(terms), abs=1e-9)


def test_the_exact_posterior_has_no_approximation_error() -> None:
    """Replacing q by p(z_i | z_{i-1}, x) makes every importance weight equal p(x)."""
    model, x = hierarchy(2, 3), rows(2)
    messages = theory.backward_messages(model, x)
    top = theory.exact_posterior(model, x, messages, "z0")[0]
    below = theory.exact_posterior(model, x, messages, "z1")
    joint = model.condition(x).draw(32, given=theory.states_of(model, x).z)
    log_joint = joint.log_px + joint.latents["z0"].log_p + joint.latents["z1"].log_p
    log_q = (top.unsqueeze(1) + below).flatten(0, 1)
    likelihood = theory.exact(model, x).log_likelihood
    torch.testing.assert_close(log_joint - log_q, likelihood.expand(32, 2))


def test_what_is_not_a_chain_has_no_backward_recursion() -> None:
    model = hierarchy(2)
    model.stages["z0"].parents = "all"
    with pytest.raises(ValueError, match="chain"):
        theory.backward_messages(model, rows(1))


def test_a_chain_of_real_latents_has_no_codes() -> None:
    sizes, features = {"z2": 2, "z1": 2}, {"z2": 4, "z1": 4}
    model = VAE(
        encoder=nets.BottomUp(INPUTS, features),
        stages=stages.Ladder(sizes, features),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, INPUTS)),
    )
    with pytest.raises(ValueError, match="'z2' has prior .*, no bits"):
        theory.backward_messages(model, rows(1).float())
