"""Exported files take rows as they are in a file, and give them back so; what goes in is written beside them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from palmerpenguins import load_penguins
from scipy.stats import norm

import prioria
from prioria import VAE, likelihoods, nets, posteriors, priors
from prioria.distributions import Mixture, drawn_from, normal
from prioria.export import export
from tests.commands.test_commands import call

SMALL = ["--network.hidden", "16", "16", "--latents", "2", "--epochs", "1"]


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of names and numbers in their units, a run on it, and its exported files."""
    folder = tmp_path_factory.mktemp("raw")
    load_penguins().drop(columns="year").to_csv(folder / "penguins.csv", index=False)
    call("train", folder / "penguins.csv", *SMALL, "--out", folder / "run")
    call("export", folder / "run", "--out", folder / "files")
    return folder


def codes(frame: pd.DataFrame, card: dict) -> np.ndarray:
    """A table as the card asks for it: numbers as they are, names as the numbers of their levels."""
    columns = []
    for column in card["rows"]["columns"]:
        values = frame[column["name"]]
        if "levels" in column:
            values = values.map({level: code for code, level in enumerate(column["levels"])})
        columns.append(values.to_numpy(np.float32))
    return np.stack(columns, 1)


@pytest.mark.slow
def test_raw_rows_of_a_table_give_what_encode_gives(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table / "penguins.csv").iloc[:40]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    call("encode", table / "run", tmp_path / "rows.csv", "--out", tmp_path / "z.csv")
    card = json.loads((table / "files" / "export.json").read_text())
    rows = codes(frame, card)
    assert np.isnan(rows).any() and np.nanmax(rows) > 4000  # holes, and grams
    (z,) = session(table / "files" / "encoder.onnx").run(["z_mean"], {"x": rows})
    np.testing.assert_allclose(z, pd.read_csv(tmp_path / "z.csv")[["z_0", "z_1"]], rtol=1e-4, atol=1e-4)


def test_rows_come_out_in_their_units(table: Path) -> None:
    z = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    (x,) = session(table / "files" / "decoder.onnx").run(None, {"z": z})
    frame = pd.read_csv(table / "penguins.csv")
    model = prioria.load(table / "run")
    assert model.protocol is not None
    with torch.no_grad():
        wanted = model.protocol.unscaled(model.decode(torch.from_numpy(z)).mean)
    np.testing.assert_allclose(x, wanted, rtol=1e-4)
    grams = x[:, list(frame).index("body_mass_g")]
    assert frame["body_mass_g"].min() < grams.mean() < frame["body_mass_g"].max()


def test_the_card_is_in_the_files_and_names_their_bytes(table: Path) -> None:
    card = json.loads((table / "files" / "export.json").read_text())
    inside = json.loads(
        {each.key: each.value for each in onnx.load(table / "files" / "encoder.onnx").metadata_props}["prioria"]
    )
    digests = card.pop("files")
    assert inside == card and card["rows"]["columns"][0] == {
        "name": "species",
        "kind": "category",
        "levels": ["Adelie", "Chinstrap", "Gentoo"],
    }
    assert set(digests) == {path.name for path in (table / "files").iterdir()} - {"export.json"}
    for name, digest in digests.items():
        assert hashlib.sha256((table / "files" / name).read_bytes()).hexdigest() == digest
    for name, program in card["programs"].items():
        found = session(table / "files" / f"{name}.onnx")
        assert [each.name for each in found.get_inputs()] == program["inputs"]
        assert [each.name for each in found.get_outputs()] == program["outputs"]


def test_the_sampler_draws_from_the_prior(table: Path) -> None:
    rng = np.random.default_rng(0)
    noise = {"z_normal": rng.normal(size=(9, 2)).astype(np.float32), "z_uniform": rng.random(9).astype(np.float32)}
    x, z = session(table / "files" / "sampler.onnx").run(["x_mean", "z"], noise)
    np.testing.assert_allclose(z, noise["z_normal"], rtol=1e-6)  # N(0, I) itself
    (wanted,) = session(table / "files" / "decoder.onnx").run(None, {"z": z})
    np.testing.assert_allclose(x, wanted, rtol=1e-5)


@pytest.mark.slow
def test_pictures_go_in_as_pictures(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 1, 6, 6)).astype(np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    call("train", tmp_path / "grey.npy", *SMALL, "--out", tmp_path / "run")
    call("export", tmp_path / "run", "--out", tmp_path / "files", "--no-onnx")
    call("encode", tmp_path / "run", tmp_path / "grey.npy", "--out", tmp_path / "z.npy")
    encoder = torch.export.load(tmp_path / "files" / "encoder.pt2").module()
    z = encoder(torch.from_numpy(grey).float())[0].detach()
    np.testing.assert_allclose(z, np.load(tmp_path / "z.npy"), rtol=1e-4, atol=1e-5)


def built(prior: torch.nn.Module) -> VAE:
    return VAE(
        encoder=nets.MLP(3, 8),
        posterior=posteriors.Gaussian(8, 2),
        prior=prior,
        likelihood=likelihoods.Gaussian(nets.MLP(2, 3), scale=0.5),
    )


def sampled(model: VAE, folder: Path, count: int = 200) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    shapes = {"z_normal": (count, 2), "z_uniform": (count,)}
    noise = {"z_normal": rng.normal(size=shapes["z_normal"]), "z_uniform": rng.random(count)}
    noise = {name: value.astype(np.float32) for name, value in noise.items()}
    export(model, torch.rand(3, 3), folder, onnx=False)
    _, z = torch.export.load(folder / "sampler.pt2").module()(*map(torch.from_numpy, noise.values()))
    return z.detach().numpy(), noise


def test_a_mixture_chooses_its_component_by_the_uniform_noise(tmp_path: Path) -> None:
    prior = priors.Mixture(2, components=4)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.normal_()
        p = prior()
    z, noise = sampled(built(prior), tmp_path)
    weights = p.log_weights.exp().numpy()
    chosen = np.searchsorted(weights.cumsum(), noise["z_uniform"], side="right").clip(max=3)
    components = p.components.base_dist
    loc, scale = components.loc.detach().numpy()[chosen], components.scale.detach().numpy()[chosen]
    np.testing.assert_allclose(z, loc + scale * noise["z_normal"], rtol=1e-4, atol=1e-5)
    assert len(set(chosen)) == 4


def test_a_flow_turns_noise_as_it_turns_its_generation_space(tmp_path: Path) -> None:
    prior = priors.RealNVP(2, blocks=2, hidden=8)
    z, noise = sampled(built(prior), tmp_path)
    with torch.no_grad():
        wanted = prior.from_generation(torch.from_numpy(noise["z_normal"]))
    np.testing.assert_allclose(z, wanted, rtol=1e-4, atol=1e-5)
    assert not np.allclose(z, noise["z_normal"], atol=1e-2)


def test_noise_becomes_the_distribution() -> None:
    """The transform of many noises has the mixture's own distribution function; false alarms at 0.001."""
    p = Mixture(normal(torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0], [0.5]])), torch.tensor([0.3, 0.7]).log())
    rng = np.random.default_rng(0)
    draws = drawn_from(p, torch.from_numpy(rng.normal(size=(4000, 1))), torch.from_numpy(rng.random(4000)))
    ordered = np.sort(draws.numpy().ravel())
    exact = 0.3 * norm.cdf(ordered) + 0.7 * norm.cdf(ordered, 3.0, 0.5)
    distance = np.abs(exact - (np.arange(4000) + 0.5) / 4000).max()
    assert distance < 1.95 / np.sqrt(4000)


def test_a_prior_that_noise_cannot_draw_from_has_no_sampler_and_the_card_says_why(tmp_path: Path) -> None:
    model = built(priors.Hierarchical(2))
    export(model, torch.rand(3, 3), tmp_path, onnx=False)
    card = json.loads((tmp_path / "export.json").read_text())
    assert "noise cannot be turned into" in card["no_sampler"] and "sampler" not in card["programs"]
    assert not (tmp_path / "sampler.pt2").exists()
