"""Diagnoses of models with a known fault, of a model without one, and the page."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from prioria import VAE, Run, fit, likelihoods, nets, objectives, posteriors, priors
from prioria.cli import main
from prioria.data import Dataset, load
from prioria.evaluate import ActiveUnits, diagnose
from prioria.evaluate.diagnosis import findings
from prioria.report import write_diagnosis
from prioria.train import refit_prior
from tests.contract.standins import OpaqueFlow
from tests.contract.variants import INPUTS, two_level
from tests.report.conftest import dataset_of, model_of

NOISE = 0.1
# x = W z + noise with z ~ N(0, I): the exact posterior and the true prior are known, so that nothing is wrong.
W = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])


def names(model: VAE, data: Dataset) -> list[str]:
    return [finding.name for finding in diagnose(model, data).findings]


def linear_data(count: int = 1500) -> Dataset:
    torch.manual_seed(1)
    train, test = (dataset_of(torch.randn(count, 2) @ W.T + NOISE * torch.randn(count, 3), (3,)) for _ in range(2))
    return replace(train, test=test.test)


def linear_model(prior: nn.Module | None = None, *, scale: float = NOISE) -> VAE:
    covariance = torch.linalg.inv(torch.eye(2) + W.T @ W / NOISE**2)
    posterior, decoder = posteriors.Gaussian(3, 2), nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.cat([covariance @ W.T / NOISE**2, torch.zeros(2, 3)]))
        posterior.heads.bias.copy_(torch.cat([torch.zeros(2), covariance.diag().log()]))
        decoder.weight.copy_(W)
    return VAE(
        encoder=nn.Identity(),
        posterior=posterior,
        prior=priors.StandardNormal(2) if prior is None else prior,
        likelihood=likelihoods.Gaussian(decoder, scale=scale),
    )


def test_nothing_is_found_in_the_true_model() -> None:
    found = diagnose(linear_model(), linear_data())
    assert found.findings == [] and str(found) == "model: nothing found"
    assert found.measurements.overlap.test.p_value > 0.01
    assert 0 < found.measurements.divergence.value < 1  # q(z) of 1,500 narrow posteriors has gaps


def test_a_large_beta_is_named_posterior_collapse() -> None:
    torch.manual_seed(0)
    data = load("digits")
    model = model_of(data)
    fit(model, objectives.ELBO(beta=20.0), data, epochs=4, learning_rate=5e-3, progress=False)
    found = diagnose(model, data)
    assert found.findings[0].name == "posterior collapse"
    assert "Lower beta" in found.findings[0].remedy and found.measurements.units.counts == {"z": 0}


def test_a_dead_decoder_is_named() -> None:
    model, data = linear_model(), linear_data()
    with torch.no_grad():
        model.likelihood.net.weight.zero_()
    found = diagnose(model, data)
    assert found.findings[0].name == "dead decoder" and "posterior collapse" not in names(model, data)
    assert f"{found.measurements.rate:.2g} nats" in found.findings[0].meaning


def test_duplicate_pseudo_inputs_are_named() -> None:
    data = load("digits")
    torch.manual_seed(0)
    encoder, posterior = nets.GatedMLP(64, 8, gated_output=True), posteriors.Gaussian(8, 2)
    row = data.train.tensor(1)
    vamp = priors.VampPrior(encoder, posterior, components=10, pseudo_inputs=row.repeat(10, 1))
    decoder = likelihoods.Bernoulli(nets.GatedMLP(2, 8, 64))
    found = diagnose(VAE(encoder=encoder, posterior=posterior, prior=vamp, likelihood=decoder), data)
    duplicates = next(finding for finding in found.findings if finding.name == "duplicate components")
    assert "Of the 10 pseudo-inputs only 1 differ" in duplicates.meaning and "--prior.initial" in duplicates.remedy


def mixture(means: list[list[float]], variance: float = 1.0) -> priors.Mixture:
    prior = priors.Mixture(2, len(means))
    with torch.no_grad():
        prior.mean.copy_(torch.tensor(means))
        prior.log_variance.fill_(math.log(variance))
    return prior


def test_pockets_leaks_and_dead_components_are_told_apart() -> None:
    data = linear_data()
    pockets = names(linear_model(mixture([[0.0, 0.0], [20.0, 0.0]])), data)
    assert pockets == ["pockets", "dead components"]
    assert names(linear_model(mixture([[0.0, 0.0]], variance=0.1)), data) == ["leaks"]


def remedies(model: VAE, data: Dataset) -> dict[str, str]:
    return {finding.name: finding.remedy for finding in diagnose(model, data).findings}


def test_remedies_are_options_of_the_prior_at_hand() -> None:
    data = linear_data()
    found = remedies(linear_model(mixture([[0.0, 0.0], [0.0, 0.0], [20.0, 0.0]])), data)
    assert {"pockets", "dead components", "duplicate components"} <= set(found)
    assert "--prior realnvp" in found["pockets"]
    for name in ("dead components", "duplicate components"):
        assert "pseudo-inputs" not in found[name] and "--prior.initial" not in found[name]
    flow = priors.RealNVP(2, 2, hidden=4)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(1.0)
    again = remedies(linear_model(flow), data)
    assert set(again) & {"pockets", "leaks"}
    assert all("--prior.blocks" in again[name] for name in set(again) & {"pockets", "leaks"})


def test_bits_are_advised_a_prior_of_bits() -> None:
    # Every row has six ones, of which the prior has 2^-6 of its draws.
    data = dataset_of(torch.rand(200, 4).round(), (4,))
    encoder, prior = nn.Linear(4, 6), priors.Bernoulli(6, uniform=True)
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.bias.fill_(8.0)
    model = VAE(
        encoder=encoder,
        posterior=posteriors.Bernoulli(None, 6),
        prior=prior,
        likelihood=likelihoods.Bernoulli(nn.Linear(6, 4)),
    )
    found = remedies(model, data)
    assert "--prior vamp" in found["pockets"] and "realnvp" not in found["pockets"]
    # and such a prior can be had: it makes pockets disappear
    vamp = priors.VampPrior(model.encoder["x"], model.stages["z"].q, components=3, inputs=4)
    refitted = refit_prior(model, vamp, data, steps=1, batch_size=20).model
    assert "pockets" not in remedies(refitted, data)


def test_a_fused_hierarchy_is_not_told_to_refit_its_prior() -> None:
    seen = replace(
        diagnose(linear_model(mixture([[0.0, 0.0], [20.0, 0.0]])), linear_data()).measurements, is_fused=True
    )
    pockets = next(each for each in findings(seen) if each.name == "pockets")
    assert "refit-prior" not in pockets.remedy and "--levels 2" in pockets.remedy


def test_decoder_variances_are_told_from_their_errors() -> None:
    assert "decoder variance collapse" in names(linear_model(scale=0.001), linear_data())
    assert "decoder variance too large" in names(linear_model(scale=2.0), linear_data())


def test_columns_of_different_noise_are_no_collapse_of_the_variance() -> None:
    # x_d = s_d (0.8 z + 0.6 noise): precision 1 + 10 * (0.8 / 0.6)^2 of q(z|x), mean sum_d 0.8 x_d / (0.36 s_d) over it
    torch.manual_seed(1)
    scales = torch.tensor([0.01] * 6 + [1.0] * 4)
    rows = scales * (0.8 * torch.randn(1000, 1) + 0.6 * torch.randn(1000, 10))
    precision = 1 + 10 * (0.8 / 0.6) ** 2
    posterior, decoder = posteriors.Gaussian(10, 1), nn.Linear(1, 20)
    with torch.no_grad():
        posterior.heads.weight.copy_(torch.stack([0.8 / (0.36 * scales) / precision, torch.zeros(10)]))
        posterior.heads.bias.copy_(torch.tensor([0, -math.log(precision)]))
        decoder.weight.copy_(torch.cat([0.8 * scales, torch.zeros(10)])[:, None])
        decoder.bias.copy_(torch.cat([torch.zeros(10), 2 * (0.6 * scales).log()]))
    exact = VAE(
        encoder=nn.Identity(),
        posterior=posterior,
        prior=priors.StandardNormal(1),
        likelihood=likelihoods.Gaussian(decoder, variance="pixel"),
    )
    found = diagnose(exact, dataset_of(rows, (10,)))
    assert found.findings == []
    # residuals of the true model are N(0, I): five standard errors of 10,000 values
    assert found.measurements.reconstruction.standardized == pytest.approx(1, abs=5 / math.sqrt(2 * 10_000))


def test_idle_and_noisy_latents_are_notes() -> None:
    model, data = linear_model(), linear_data()
    with torch.no_grad():
        model.stages["z"].q.heads.bias[2:] = math.log(0.25)
    found = diagnose(model, data)
    noisy = [finding for finding in found.findings if finding.name == "noisy codes"]
    assert noisy and noisy[0].severity == "note" and "--likelihood.scale" in noisy[0].remedy
    seen = found.measurements
    bits = replace(seen, reconstruction=replace(seen.reconstruction, standardized=None))
    assert [each.remedy for each in findings(bits) if each.name == "noisy codes"] == [
        "Lower beta; for encodings use the means."
    ]
    wide = posteriors.Gaussian(3, 5)
    with torch.no_grad():
        wide.heads.weight.zero_()
        wide.heads.weight[0, 0] = 1.0
        wide.heads.bias.zero_()
        wide.heads.bias[5] = -6.0
    idle = VAE(
        encoder=nn.Identity(),
        posterior=wide,
        prior=priors.StandardNormal(5),
        likelihood=likelihoods.Gaussian(nn.Linear(5, 3), scale=0.5),
    )
    assert "idle latents" in names(idle, data)


def test_one_posterior_for_all_examples_is_a_dead_encoder() -> None:
    model, data = linear_model(), linear_data()
    with torch.no_grad():
        model.stages["z"].q.heads.weight.zero_()
        model.stages["z"].q.heads.bias.fill_(-1.5)
    found = diagnose(model, data)
    # KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1 - log s^2) / 2 of two latents, m = log s^2 = -1.5
    rate = 1.5**2 + math.exp(-1.5) - 1 + 1.5
    dead = next(each for each in found.findings if each.name == "dead encoder")
    assert dead.severity == "fault" and f"by {rate:.2g} nats" in dead.meaning
    assert not {"idle latents", "posterior collapse", "dead decoder"} & {each.name for each in found.findings}


def test_idle_latents_of_a_hierarchy_are_told_its_own_options() -> None:
    seen = diagnose(linear_model(), linear_data()).measurements
    units = ActiveUnits({"z2": torch.zeros(4), "z1": torch.ones(4)}, 0.01, 100)
    note = next(each for each in findings(replace(seen, units=units)) if each.name == "idle latents")
    assert "4 of 4 in z2" in note.meaning and "--latents" not in note.remedy and "--stages.groups" in note.remedy


def test_hierarchies_and_flows_are_diagnosed_too() -> None:
    data = dataset_of(torch.rand(60, INPUTS).round(), (INPUTS,))
    found = diagnose(two_level(), data).to_json()
    assert set(found["rate"]) == set(found["kl_per_dimension"]) == {"z2", "z1"}
    flow = VAE(
        encoder=nn.Identity(),
        posterior=OpaqueFlow(3, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Gaussian(nn.Linear(2, 3)),
    )
    seen = diagnose(flow, linear_data(200))
    found = seen.to_json()
    assert "not measured: pockets" in str(seen)
    assert found["overlap"]["pockets"] is None and "nearest-neighbor" in found["divergence"]["estimator"]
    json.dumps(found)


@pytest.mark.slow
def test_page_stands_alone_and_says_what_the_json_says(trained, tmp_path, capsys) -> None:
    run = Run.load(trained / "vamp")
    found = write_diagnosis(run, tmp_path / "diagnosis.html", seed=1)
    page, numbers = (tmp_path / "diagnosis.html").read_text(), json.loads((tmp_path / "diagnosis.json").read_text())
    assert numbers == json.loads(json.dumps(found.to_json()))
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "<script" not in page
    for finding in found.findings:
        assert finding.name in page
    for heading in ("Pockets and leaks", "low-posterior samples, decoded", "high-posterior samples, decoded"):
        assert heading in page
    assert numbers["active_units"]["0.01"] == found.measurements.units.counts
    assert write_diagnosis(run, tmp_path / "again.html", seed=1).to_json() == numbers
    with pytest.raises(SystemExit, match="0"):
        main(["diagnose", str(trained / "standard"), "--out", str(tmp_path / "cli.html")])
    assert (tmp_path / "cli.html").exists() and "Page:" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["diagnose", "report"])
def test_a_page_that_is_no_html_is_refused(trained, tmp_path, capsys, command: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command, str(trained / "standard"), "--out", str(tmp_path / "d.json")])
    assert "d.json' is no page; give a file that ends in .html" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_points_of_the_plane_are_drawn(tmp_path) -> None:
    data = dataset_of(torch.randn(300, 2), (2,))
    write_diagnosis(Run(model_of(data), data, [], None), tmp_path / "page.html")
    assert "what pockets and leaks decode to" in (tmp_path / "page.html").read_text()
