"""Latent dependency graphs: gates against closed forms, densities written out by hand, edges that are there or not."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from prioria import VAE, evaluate, likelihoods, load, nets, objectives, stages
from prioria.objectives import Progress
from prioria.stages import Gates
from prioria.train.step import Step

INPUTS, FEATURES = 6, 5
ALPHA = 1e-4  # false-alarm rate of each statistical test; the seeds are fixed


def model(**options) -> VAE:
    options = {"nodes": 3, "latents": 2, "hidden": 8, "flow_hidden": 8} | options
    return VAE(
        encoder=nets.MLP(INPUTS, FEATURES, activation="elu", activate_output=True),
        stages=stages.DependencyGraph(features=FEATURES, **options),
        likelihood=likelihoods.Bernoulli(nets.MLP(options["nodes"] * options["latents"], INPUTS)),
    )


def rows(count: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, INPUTS), 0.5))


@pytest.mark.parametrize("temperature", [0.01, 0.1, 0.5, 1.0, 5.0])
@pytest.mark.parametrize("mu", [0.03, 0.5, 0.8])
def test_a_gate_is_above_one_half_with_its_probability_at_every_temperature(mu: float, temperature: float) -> None:
    gates = Gates([1], per_example=True)
    torch.nn.init.constant_(gates.logits, math.log(mu / (1 - mu)))
    gates.set_temperature(temperature)
    above = int((gates.sample(torch.ones(1, 100_000, 1)) > 0.5).sum())
    assert stats.binomtest(above, 100_000, mu).pvalue > ALPHA


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
def test_a_relaxed_gate_follows_the_binary_concrete_distribution(temperature: float) -> None:
    gates = Gates([1], per_example=True).double()
    torch.nn.init.constant_(gates.logits, 0.7)
    gates.set_temperature(temperature)
    c = gates.sample(torch.ones(1, 20_000, 1)).detach().squeeze(-1).numpy()
    test = stats.kstest(c, lambda x: special.expit(temperature * special.logit(x) - 0.7))
    assert test.pvalue > ALPHA


def test_cold_gates_neither_underflow_nor_lose_their_gradient_to_nan() -> None:
    gates = Gates([1] * 50)
    gates.set_temperature(1e-3)
    c = gates.sample(torch.ones(1, 4, 50))
    c.sum().backward()
    assert c.isfinite().all() and gates.logits.grad.isfinite().all()
    assert ((c < 1e-3) | (c > 1 - 1e-3)).float().mean() > 0.9


def test_temperature_follows_the_epoch_down_to_its_floor() -> None:
    graph = model(decay=0.9, floor=0.2)
    step = Step(graph, objectives.ELBO())
    (gates, *_) = stages.gates_of(graph.stages).values()
    for epoch, temperature in [(0, 1.0), (3, 0.9**3), (500, 0.2)]:
        step(rows(2), Progress(step=7, epoch=epoch, total_steps=1000))
        assert gates.temperature == pytest.approx(temperature)
    step(rows(2), None)
    assert gates.temperature == 0.2


def test_gates_are_drawn_once_for_a_draw_or_once_for_an_example() -> None:
    above = torch.ones(7, 5, 6)
    once = Gates([2, 2, 2])(above)
    assert once.reshape(-1, 6).unique(dim=0).shape[0] == 1
    each = Gates([2, 2, 2], per_example=True)(above)
    assert (each == each[:1]).all()
    assert each[0].unique(dim=0).shape[0] == 5
    assert torch.equal(each[..., 0], each[..., 1]) and not torch.equal(each[..., 1], each[..., 2])


def test_frozen_gates_are_exactly_zero_or_one_and_stay_so_when_saved(tmp_path) -> None:
    graph = model()
    for gates in stages.gates_of(graph.stages).values():
        torch.nn.init.normal_(gates.logits)
    before = stages.freeze_gates(graph.stages)
    after = stages.edge_probabilities(graph.stages)
    assert after == {edge: float(probability > 0.5) for edge, probability in before.items()}
    for gates in stages.gates_of(graph.stages).values():
        assert set(gates.sample(torch.ones(1, 4, 2)).tolist()) <= {0.0, 1.0}
        assert not gates.logits.requires_grad
    graph.save(tmp_path)
    again = load(tmp_path)
    assert stages.edge_probabilities(again.stages) == after
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in graph.parameters()]


@pytest.mark.parametrize("edges", [[], [("z3", "z1")], stages.chain_edges(3), stages.full_edges(3)])
def test_a_prior_depends_on_the_parents_that_have_an_edge_and_on_no_other(edges: list) -> None:
    graph = model(edges=edges)
    names = graph.groups
    for count, child in enumerate(names[1:], start=1):
        above = torch.randn(1, 1, 2 * count, requires_grad=True)
        mean = graph.stages[child].prior(above).mean
        (gradient,) = torch.autograd.grad(mean.sum(), above)
        for index, parent in enumerate(names[:count]):
            depends = bool((gradient[..., 2 * index : 2 * index + 2] != 0).any())
            assert depends == ((parent, child) in edges)


def test_pairs_that_were_read_from_json_are_edges() -> None:
    edges = [("z3", "z2"), ("z2", "z1")]
    graph = stages.DependencyGraph(nodes=3, latents=2, features=FEATURES, edges=json.loads(json.dumps(edges)))
    assert [edge for edge, probability in stages.edge_probabilities(graph).items() if probability == 1] == edges


def test_graphs_of_every_structure_have_the_same_number_of_weights() -> None:
    sizes = [
        sum(p.numel() for p in model(edges=edges).parameters())
        for edges in (None, [], stages.chain_edges(3), stages.full_edges(3))
    ]
    assert len(set(sizes)) == 1


def by_hand(graph: VAE, x: np.ndarray, z: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """log q and log p of each group for one x, from the weights alone."""
    w = {name: value.detach().double().numpy() for name, value in graph.state_dict().items()}

    def dense(name: str, v: np.ndarray) -> np.ndarray:
        return w[f"{name}.weight"] @ v + w[f"{name}.bias"]

    def elu(v: np.ndarray) -> np.ndarray:
        return np.where(v > 0, v, np.expm1(v))

    def moments(output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, log_variance = np.split(output, 2)
        return mean, np.exp(log_variance)

    h, above, found = elu(dense("encoder.x.layers.0", x)), np.zeros(0), {}
    for name in graph.groups:
        prefix = f"stages.{name}"
        m_e, v_e = moments(dense(f"{prefix}.q.heads", elu(dense(f"{prefix}.bottom_up.layers.0", h))))
        m_p, v_p, m, v = np.zeros(2), np.ones(2), m_e, v_e
        if above.size:
            gates = np.repeat((w[f"{prefix}.gates.logits"] > 0).astype(float), 2)
            m_p, v_p = moments(dense(f"{prefix}.p.heads", elu(dense(f"{prefix}.p.net.layers.0", gates * above))))
            v = 1 / (1 / v_p + 1 / v_e)
            m = v * (m_p / v_p + m_e / v_e)
        found[name] = tuple(
            float(stats.norm(mean, np.sqrt(variance)).logpdf(z[name]).sum()) for mean, variance in ((m, v), (m_p, v_p))
        )
        above = np.concatenate([above, z[name]])
    return found


def test_every_density_is_that_of_the_gated_prior_and_its_precision_weighted_posterior() -> None:
    graph, x = model(edges=[("z3", "z1"), ("z2", "z1")]), rows(2)
    draw = graph.draw(x, num_samples=3)
    for k in range(3):
        for b in range(2):
            z = {name: value[k, b].detach().double().numpy() for name, value in draw.z.items()}
            for name, (log_q, log_p) in by_hand(graph, x[b].double().numpy(), z).items():
                assert draw.latents[name].log_q[k, b].item() == pytest.approx(log_q, abs=1e-4)
                assert draw.latents[name].log_p[k, b].item() == pytest.approx(log_p, abs=1e-4)


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("flow_steps", [0, 2])
def test_gradient_reaches_gates_and_every_other_parameter(flow_steps: int, per_example: bool) -> None:
    graph = model(flow_steps=flow_steps, per_example=per_example)
    graph.at_epoch(0)
    objectives.ELBO()(graph.draw(rows(16))).surrogate.backward()
    for name, parameter in graph.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_what_a_group_passes_on_is_the_end_of_its_flow() -> None:
    graph = model(edges=stages.full_edges(3), flow_steps=2)
    draw = graph.draw(rows(4), num_samples=2)
    decoded = graph.likelihood(torch.cat(list(draw.z.values()), -1))
    torch.testing.assert_close(decoded.log_prob(draw.x), draw.log_px)
    with pytest.raises(ValueError, match="no closed form"):
        objectives.ELBO(closed_form_kl=True)(draw)


def test_closed_form_and_sampled_objectives_agree_without_a_flow() -> None:
    graph, x = model(edges=stages.full_edges(3)), rows(2).repeat(20_000, 1)
    draw = graph.draw(x)
    difference = torch.stack(
        [latent.rate - torch.distributions.kl_divergence(latent.q, latent.p) for latent in draw.latents.values()]
    ).sum(0)
    t = difference.mean() / (difference.std() / difference.numel() ** 0.5)
    assert abs(t) < stats.norm.isf(ALPHA / 2)


def test_evaluations_refuse_gates_that_are_not_frozen() -> None:
    graph, x = model(), rows(5)
    for measure in (evaluate.elbo, evaluate.log_likelihood, evaluate.active_units):
        with pytest.raises(ValueError, match="'z2'.*gates are still random.*freeze_gates"):
            measure(graph, x, num_samples=2)
    stages.freeze_gates(graph.stages)
    assert math.isfinite(evaluate.elbo(graph, x).value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: stages.DependencyGraph(nodes=1, latents=2, features=3), "nodes=1"),
        (
            lambda: stages.DependencyGraph(nodes=3, latents=2, features=3, edges=[("z1", "z2")]),
            "'z1', 'z2'.*parent first",
        ),
        (lambda: stages.DependencyGraph(nodes=3, latents=1, features=3, flow_steps=2), "latents=1"),
        (lambda: Gates([]), "at least one parent"),
        (lambda: Gates([2], edges=[True, False]), "an edge for each"),
        (lambda: Gates([2], decay=0.0), "decay=0.0"),
        (lambda: Gates([2]).set_temperature(0.0), "temperature=0.0"),
        (lambda: stages.edge_probabilities(stages.BinaryHierarchy({"z0": 2})), "no gates"),
    ],
)
def test_what_cannot_be_is_refused_when_built(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
