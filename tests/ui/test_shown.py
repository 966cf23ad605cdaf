"""What the explorer shows of a model of classes: sums over them against loops and quadrature, and one class held."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from prioria import VAE, likelihoods, nets, priors, stages
from prioria.train import Run
from prioria.ui import application
from prioria.ui.guard import TOKEN as HEADER
from prioria.ui.shown import Shown
from tests.ui.conftest import TOKEN

CLASSES = 3
GRID = torch.linspace(-12, 12, 2401)[:, None]


@pytest.fixture(scope="module")
def model() -> VAE:
    torch.manual_seed(0)
    model = VAE(
        encoder=nets.MLP(2, 8, 4),
        stages=stages.Classes(CLASSES, 1, features=4),
        likelihood=likelihoods.Gaussian(nets.MLP(CLASSES + 1, 8, 2)),
    ).eval()
    for stage in model.stages.values():
        for each in stage.parameters():
            torch.nn.init.normal_(each)
    return model.requires_grad_(False)


def _integral(log_density: Tensor | None) -> float:
    assert log_density is not None
    return torch.trapezoid(log_density.exp(), GRID[:, 0]).item()


def test_the_prior_is_summed_over_its_classes(model: VAE) -> None:
    shown = Shown(model)
    one_hot = torch.eye(CLASSES)
    shares = torch.softmax(next(model.top.p.parameters()), 0)
    each = model.stages["z"].prior(one_hot[None])
    assert isinstance(each, Independent) and isinstance(each.base_dist, Normal)
    parts = Independent(Normal(each.base_dist.loc[0], each.base_dist.scale[0]), 1)
    mixture = MixtureSameFamily(Categorical(shares), parts)
    torch.testing.assert_close(shown.log_p(GRID, None), mixture.log_prob(GRID), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shown.log_p(GRID, 1), parts.log_prob(GRID[:, None])[:, 1], rtol=1e-4, atol=1e-4)
    joint = parts.log_prob(GRID[:, None]) + shares.log()
    assert torch.equal(shown.likeliest(GRID), joint.argmax(1))


@pytest.mark.parametrize("number", [None, 2])
def test_the_aggregate_posterior_is_summed_over_rows_and_classes(model: VAE, number: int | None) -> None:
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    condition = model.condition(x)
    chances = condition.top[1].probs  # pyright: ignore[reportAttributeAccessIssue]
    expected, total = torch.zeros(len(GRID)), 0.0
    for row in range(len(x)):
        for c in range(CLASSES) if number is None else [number]:
            above = torch.eye(CLASSES)[c].expand(1, 1, -1)
            stage = model.stages["z"]
            q = stage.posterior(condition.features["z"][row : row + 1], above, stage.prior(above))
            expected += chances[row, c] * q.log_prob(GRID[:, None, None])[:, 0, 0].exp()
            total += chances[row, c].item()
    found = Shown(model).log_q(GRID, x, number)
    assert found is not None
    torch.testing.assert_close(found.exp(), expected / total, rtol=1e-3, atol=1e-5)
    assert _integral(found) == pytest.approx(1, abs=1e-2)


def test_draws_have_the_moments_of_the_mixture(model: VAE) -> None:
    torch.manual_seed(0)
    shown, count = Shown(model), 20000
    z, density = shown.draws(count, None), shown.log_p(GRID, None).exp()
    mean = torch.trapezoid(GRID[:, 0] * density, GRID[:, 0]).item()
    variance = torch.trapezoid((GRID[:, 0] - mean) ** 2 * density, GRID[:, 0]).item()
    assert z.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(variance / count))  # false alarm: 6e-5


def test_without_classes_the_top_group_is_shown() -> None:
    torch.manual_seed(0)
    found = VAE(
        encoder=nets.MLP(2, 4, 4),
        posterior=torch.nn.Identity(),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Gaussian(nets.MLP(2, 4, 2)),
    )
    shown, z = Shown(found), torch.randn(5, 2)
    assert shown.group == "z" and shown.values is None and shown.shares() is None
    torch.testing.assert_close(shown.log_p(z, None), -0.5 * z.square().sum(1) - math.log(2 * math.pi))


@pytest.fixture(scope="module")
def client(runs: list[Path]) -> Iterator[TestClient]:
    with TestClient(application(runs, TOKEN), base_url="http://127.0.0.1", headers={HEADER: TOKEN}) as made:
        yield made


def test_rows_are_of_their_likeliest_class_and_a_class_shows_its_own(client: TestClient, runs: list[Path]) -> None:
    run = Run.load(runs[2])
    everything = client.get("/api/2/map").json()
    x = run.data.test.batch(torch.tensor(everything["rows"]))
    classes = run.model.encode(x).argmax(1).tolist()
    assert everything["numbers"] == classes and len(set(classes)) > 1
    own = client.get("/api/2/map", params={"number": classes[0]}).json()
    assert own["rows"] == [row for row, c in zip(everything["rows"], classes, strict=True) if c == classes[0]]


@pytest.mark.parametrize("held", [True, False])
def test_the_place_of_a_row_decodes_to_its_reconstruction(client: TestClient, held: bool) -> None:
    row = 3
    answer = client.get("/api/2/row", params={"row": row}).json()
    number = answer["number"] if held else None
    shown = client.get("/api/2/map", params={} if number is None else {"number": number}).json()
    point = shown["points"][shown["rows"].index(row)]
    with client.websocket_connect(f"/api/2/decode?token={TOKEN}", headers={"host": "127.0.0.1"}) as socket:
        socket.send_json({"id": 1, "points": [point], "number": number})
        found = np.frombuffer(socket.receive_bytes()[4:], np.float32)
    expected = np.array(answer["reconstruction"][0], np.float32)
    # among all classes a point stands for the rows around it, of the same class
    np.testing.assert_allclose(found, expected, atol=1e-3 if held else 1.0)
    assert found[2] == expected[2]


def test_a_name_is_the_likeliest_one_and_no_mean_of_numbers(client: TestClient, runs: list[Path]) -> None:
    run = Run.load(runs[2])
    shares = client.get("/api/runs").json()[2]["shares"]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    c = torch.eye(len(shares))[None]
    groups = {"c": c[0].tolist(), "z": [[0.0]] * len(shares)}
    with client.websocket_connect(f"/api/2/decode?token={TOKEN}", headers={"host": "127.0.0.1"}) as socket:
        socket.send_json({"id": 1, "groups": groups})
        found = np.frombuffer(socket.receive_bytes()[4:], np.float32).reshape(len(shares), 3)
    px = run.model.generate(len(shares), c=c, z=torch.zeros(1, len(shares), 1)).px
    log_p = torch.stack([_kind(px, kind) for kind in range(3)], -1)
    assert found[:, 2].tolist() == log_p.argmax(-1).tolist()


def _kind(px: torch.distributions.Distribution, kind: int) -> Tensor:
    row = torch.full(px.batch_shape + px.event_shape, torch.nan)
    row[..., 2] = kind
    return px.log_prob(row)[0]


def test_columns_are_scored_and_holes_count_nothing(client: TestClient, runs: list[Path]) -> None:
    x = Run.load(runs[2]).data.test.tensor()
    row = int(x[:, 0].isnan().nonzero()[0])
    answer = client.get("/api/2/row", params={"row": row}).json()
    assert answer["x"][0][0] is None and answer["columns"][0] == 0.0
    assert math.isfinite(answer["reconstruction"][0][0]) and answer["columns"][1] != 0.0


def test_values_of_a_column_are_those_of_the_rows(client: TestClient, runs: list[Path]) -> None:
    data = Run.load(runs[2]).data
    found = client.get("/api/2/column", params={"column": 1}).json()
    rows = data.protocol.unscaled(data.test.batch(torch.tensor(found["rows"])))
    np.testing.assert_allclose(found["values"], rows[:, 1], rtol=1e-5)
    assert "no table" in client.get("/api/0/column", params={"column": 1}).json()["error"]


def test_every_group_has_sliders_and_a_class_its_values(client: TestClient) -> None:
    top, below = client.get("/api/2/latents").json()["groups"]
    assert (top["name"], below["name"]) == ("c", "z") and np.array_equal(top["values"], np.eye(len(top["shares"])))
    assert below["low"][0] < below["mean"][0] < below["high"][0]


def test_a_path_holds_a_class_and_a_prior_of_classes_is_not_refitted(client: TestClient) -> None:
    asked = {"start": [-1.0, 0.0], "end": [1.0, 0.0], "nodes": 40, "neighbors": 5}
    assert "choose one" in client.post("/api/2/path", json=asked).json()["error"]
    found = client.post("/api/2/path", json=asked | {"number": 0}).json()
    assert len(found["nodes"]) == 40 and len(found["weights"]) == len(found["edges"])
    np.testing.assert_allclose(found["ways"]["straight"]["z"][0], [-1.0], atol=1e-5)
    facts = client.get("/api/runs").json()[2]
    assert facts["refits"] == [] and "one class of" in facts["no_refit"]
    assert facts["no_refit"] == client.post("/api/2/refit", json={"prior": "mixture"}).json()["error"]
    assert "classes" in client.get("/api/2/map", params={"number": 99}).json()["error"]
