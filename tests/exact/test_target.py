"""Targets of a constraint: their units, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from prioria import likelihoods, nets, objectives
from prioria.objectives import GECO, REWO, Objective, Target
from tests.exact.test_constrained import INPUTS, LATENTS, model_with

SCALE = 0.4


@pytest.mark.parametrize(
    ("text", "likelihood"),
    [
        ("nats=2.5", "fixed"),
        ("nats-per-dim=0.4", "fixed"),
        ("rmse=0.3", "fixed"),
        ("psnr=12", "fixed"),
        ("rmse=0.3", "global"),
    ],
)
def test_targets_in_every_unit(text: str, likelihood: str) -> None:
    decoder = likelihoods.Gaussian(nets.MLP(LATENTS, 8, INPUTS), variance=likelihood, scale=SCALE)  # pyright: ignore
    draw = model_with(decoder).draw(torch.rand(5, INPUTS), num_samples=3)
    x, mean = draw.x.numpy(), draw.px.mean.detach().numpy()
    value = float(text.split("=")[1])
    error = 10 ** (-value / 20) if text.startswith("psnr") else value  # the RMSE that is asked, where one is
    costs = {
        "nats": -stats.norm(mean, SCALE).logpdf(x).sum(-1).mean(0),
        "nats-per-dim": -stats.norm(mean, SCALE).logpdf(x).mean((0, 2)),
        "rmse": ((x - mean) ** 2).mean((0, 2)),
        "psnr": ((x - mean) ** 2).mean((0, 2)),
    }
    unit = text.split("=", maxsplit=1)[0]
    excess = {
        "nats": (costs["nats"] - value) / INPUTS,
        "nats-per-dim": costs["nats-per-dim"] - value,
        # in nats: what separates the density of x from that of a reconstruction with exactly the error asked
        "rmse": costs["nats-per-dim"] + stats.norm(0, SCALE).logpdf(error),
        "psnr": costs["nats-per-dim"] + stats.norm(0, SCALE).logpdf(error),
    }
    expected = costs["rmse"] - value**2 if likelihood == "global" else excess[unit]
    terms = GECO(objectives.ELBO(), text)(draw).terms
    np.testing.assert_allclose(terms["constraint"].numpy(), costs[unit], rtol=1e-4)
    np.testing.assert_allclose(terms["excess"].numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "shown", "kappa_squared"),
    [
        ("rmse=8/255", "RMSE 0.05", (8 / 255) ** 2),
        ("psnr=20", "PSNR 26.02", 0.01),
        (" nats = 80 ", "nats 0.0025", 80.0),
    ],
)
def test_targets_are_read_and_shown_in_their_unit(text: str, shown: str, kappa_squared: float) -> None:
    target = Target.parse(text)
    assert target.kappa_squared == pytest.approx(kappa_squared)
    assert target.shown(0.0025) == shown


@pytest.mark.parametrize(
    "text", ["0.05", "rmse", "rmse=", "rmse=a", "rmse=1/0", "mse=1", "rmse=-1", "psnr=inf", "nats=nan"]
)
def test_targets_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rmse=0.05|rmse"):
        Target.parse(text)


@pytest.mark.parametrize("constraint", [GECO, REWO])
def test_error_of_grey_values_is_refused_for_bits_and_classes(constraint: type[GECO] | type[REWO]) -> None:
    decoders = [
        likelihoods.Bernoulli(nets.MLP(LATENTS, INPUTS)),
        likelihoods.Categorical(nets.MLP(LATENTS, 3 * INPUTS), categories=3),
    ]
    for decoder in decoders:
        for text in ("rmse=0.05", "psnr=25"):
            with pytest.raises(ValueError, match="nats-per-dim.*likelihoods.Gaussian"):
                constraint(objectives.ELBO(), text).check(model_with(decoder))
        constraint(objectives.ELBO(), "nats=3").check(model_with(decoder))


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (objectives.IWAE(5), "log-mean-exp"),
        (objectives.ELBO(beta=4.0), "beta=4.0"),
        (objectives.ELBO(warmup="3 epochs"), "warm-up"),
        (GECO(objectives.ELBO(), "nats=3"), "multiplier of its own"),
    ],
)
def test_objectives_that_weigh_the_rate_themselves_are_refused(inner: Objective, reason: str) -> None:
    for constraint in (GECO, REWO):
        with pytest.raises(ValueError, match=reason):
            constraint(inner, "nats=3")


@pytest.mark.parametrize(
    "options",
    [
        {"nu": 0.0},
        {"beta": 0.0},
        {"every": 0},
        {"average": 1.0},
        {"step_bounds": (1.1, 2.0)},
        {"tau": 0.0},
        {"initial_phase": 1.5},
        {"period": 0},
    ],
    ids=str,
)
def test_numbers_out_of_range_are_named(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        REWO(objectives.ELBO(), "nats=3", **options)
