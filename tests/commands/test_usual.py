"""What is built where nothing is chosen, by the kind of data."""

import numpy as np
import pytest
import skimage.data
import torch
from sklearn.covariance import LedoitWolf
from torch import nn

from prioria import build, evaluate, fit, nets, storage
from prioria.data import load

RNG = np.random.default_rng(0)


def crops(side: int, *names: str) -> np.ndarray:
    """Grey crops of pictures, side by side, (N, 1, side, side)."""
    found = []
    for name in names:
        picture = np.asarray(getattr(skimage.data, name)())
        picture = picture if picture.ndim == 2 else picture.mean(2).round().astype(np.uint8)
        rows, columns = picture.shape[0] // side, picture.shape[1] // side
        blocks = picture[: rows * side, : columns * side].reshape(rows, side, columns, side)
        found.append(blocks.swapaxes(1, 2).reshape(-1, 1, side, side))
    return np.concatenate(found)


PHOTOGRAPHS = crops(16, "camera", "coffee", "moon", "coins")


def test_photographs_are_modelled_by_frequencies_and_drawings_by_pixels():
    assert load(PHOTOGRAPHS).protocol.likelihoods[0] == "FrequencyGaussian"
    strokes = np.zeros((200, 1, 16, 16), np.uint8)
    for row in strokes:
        row[0, RNG.integers(2, 14), 2:14] = RNG.integers(100, 256)
    assert load(strokes).protocol.likelihoods[0] == "DiscretizedLogistic"
    assert load(PHOTOGRAPHS[:, :, ::2, ::2]).protocol.likelihoods[0] == "DiscretizedLogistic"  # of too few pixels
    assert load(RNG.normal(size=(100, 20)).cumsum(1), series=True).protocol.likelihoods[0] == "FrequencyGaussian"


@pytest.mark.slow
def test_photographs_without_an_option_beat_a_full_gaussian():
    data = load(PHOTOGRAPHS)
    train, test = data.train.tensor().double().numpy(), data.test.tensor()
    gaussian = LedoitWolf().fit(train).score(test.double().numpy())
    run = fit(build.model(data, seed=0), build.objective(build.model(data)), data, epochs=6, seed=0, progress=False)
    bound = evaluate.elbo(run.model.eval(), test, num_samples=10)
    assert bound.value - 3 * bound.monte_carlo_error > gaussian


@pytest.mark.parametrize("likelihood", ["frequency-gaussian", "discretized-logistic"])
def test_what_is_built_is_saved_and_loaded(likelihood, tmp_path):
    data = load(PHOTOGRAPHS)
    model = build.model(data, prior={"kind": "vamp", "components": 5}, likelihood=likelihood, seed=0).eval()
    storage.save(model, tmp_path)
    x, z = data.test.tensor(8), torch.zeros(8, 40)
    again = storage.load(tmp_path).eval()
    assert torch.equal(again.likelihood(z).log_prob(x), model.likelihood(z).log_prob(x))
    assert torch.equal(again.encoder["x"](x), model.encoder["x"](x))


def test_networks_are_convolutions_for_pictures_of_ones_own_alone():
    def encoder(rows: np.ndarray | str, **options) -> str:
        return type(build.model(load(rows), **options).encoder["x"]).__name__

    bits = RNG.integers(0, 2, (20, 1, 17, 30))
    assert encoder(bits) == "ConvEncoder"
    assert encoder(bits[..., :8, :8]) == encoder("digits") == encoder(bits.reshape(20, -1)) == "GatedMLP"
    assert encoder(bits, network="mlp") == "MLP"
    assert encoder(PHOTOGRAPHS) == "FrequencyEncoder"
    assert encoder(PHOTOGRAPHS, likelihood="discretized-logistic") == "ConvEncoder"
    series = RNG.normal(size=(30, 2, 21))
    assert encoder(series) == "FrequencyEncoder" and encoder(series, likelihood="gaussian") == "ConvEncoder"


@pytest.mark.parametrize("shape", [(1, 17, 30), (3, 16, 16), (2, 21), (1, 64), (1, 28, 28)])
def test_convolutions_fit_any_size(shape):
    widths = build.NETWORKS.build("conv", {"shape": shape})
    x = torch.rand(4, torch.Size(shape).numel())
    features = widths.encoder()(x)
    assert features.shape == (4, 256)
    assert widths.decoder(5, 2)(torch.zeros(4, 5)).shape == (4, 2 * x.shape[1])
    smallest = min(shape[1:]) // 2 ** (len(widths.hidden) - 1)
    assert 4 <= smallest < 8 or len(widths.hidden) == 4


def test_a_decoder_of_divisible_sides_is_not_cut():
    torch.manual_seed(0)
    decoder = nets.ConvDecoder(3, (1, 8, 8), channels=(4, 8))
    *layers, cut, _ = next(each for each in decoder.modules() if isinstance(each, nn.Sequential))
    h = torch.randn(2, 3)
    for layer in layers:
        h = layer(h)
    assert h.shape == (2, 1, 8, 8) and torch.equal(cut(h), h)


@pytest.mark.parametrize(
    "rows",
    [PHOTOGRAPHS, RNG.integers(0, 2, (60, 12)), RNG.poisson(3, (60, 12)), RNG.normal(50, 9, (60, 12))],
    ids=["photographs", "bits", "counts", "real"],
)
def test_pseudo_inputs_start_between_training_rows(rows):
    data = load(rows)
    likelihood = "multinomial" if data.protocol.kind == "count" else None
    model = build.model(data, prior={"kind": "vamp", "components": 40}, likelihood=likelihood, seed=0)
    found, x = model.stages["z"].p.clamped(), data.train.tensor()
    assert (found >= x.min(0).values - 1e-5).all() and (found <= x.max(0).values + 1e-5).all()
    assert abs(found.mean() - x.mean()) < 0.3 * x.std() and found.std() > 0.4 * x.std()
    assert len(found.unique(dim=0)) == 40


def test_pseudo_inputs_of_known_sets_start_as_published():
    found = build.model("digits", prior="vamp", seed=0).stages["z"].p.pseudo_inputs
    assert abs(found.mean() - 0.05) < 1e-3 and abs(found.std() - 0.01) < 1e-3
