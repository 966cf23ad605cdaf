"""Distances between sets of images against closed forms, and the networks that features come from."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from scipy import linalg

from prioria import evaluate
from prioria.data import load as load_data
from prioria.evaluate.output.extractor import Classifier, InceptionFeatures
from prioria.evaluate.output.inception import Inception
from prioria.storage import load, save, write_tensors
from tests.contract.variants import INPUTS, single


class Pixels:
    """The images themselves as features."""

    name = "pixels"

    def __call__(self, rows: torch.Tensor, /) -> torch.Tensor:
        return rows


def test_fid_is_the_closed_form_of_the_moments() -> None:
    generator = np.random.default_rng(0)
    a = generator.standard_normal((300, 4)) @ generator.standard_normal((4, 4))
    b = generator.standard_normal((200, 4)) + 0.5
    first, second = np.cov(a.T), np.cov(b.T)
    truth = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(first + second - 2 * linalg.sqrtm(first @ second).real)
    found = evaluate.fid(torch.tensor(a), torch.tensor(b), Pixels())
    assert found.value == pytest.approx(truth, rel=1e-6)
    assert found.counts == (300, 200) and "pixels" in str(found)
    assert evaluate.fid(torch.tensor(a), torch.tensor(a), Pixels()).value == pytest.approx(0.0, abs=1e-6)


def test_fid_of_two_normals() -> None:
    # |m|^2 + tr(S1 + S2 - 2 sqrt(S1 S2)) for N(0, I) and N((1, 1), 4 I) in two dimensions: 2 + 2 (1 + 4 - 4) = 4.
    a, b = torch.randn(100_000, 2), 1 + 2 * torch.randn(100_000, 2)
    assert evaluate.fid(a, b, Pixels()).value == pytest.approx(4.0, abs=0.1)


def test_kid_is_the_unbiased_discrepancy_of_its_kernel() -> None:
    a, b = torch.randn(20, 3, dtype=torch.float64), torch.randn(20, 3, dtype=torch.float64) + 0.7

    def kernel(u, v):
        return (u @ v.T / 3 + 1) ** 3

    def within(u):
        gram = kernel(u, u)
        return (gram.sum() - gram.diag().sum()) / (20 * 19)

    truth = within(a) + within(b) - 2 * kernel(a, b).mean()
    found = evaluate.kid(a, b, Pixels(), subsets=3)  # a subset of all is all
    assert found.value == pytest.approx(truth.item(), rel=1e-5)
    assert found.spread is None and "spread" not in str(found)


def test_the_spread_of_a_kid_is_that_of_its_subsets() -> None:
    # Pairs of {0, 0, 1} against {1, 1}, kernel (u v + 1)^3: 1 + 8 - 2 = 7 for {0, 0}, 1 + 8 - 9 = 0 for {0, 1}.
    found = evaluate.kid(torch.tensor([[0.0], [0.0], [1.0]]), torch.ones(2, 1), Pixels(), subsets=400, subset_size=2)
    share = found.value / 7
    assert abs(share - 1 / 3) < 5 * math.sqrt(2 / 9 / 400)  # five deviations: false alarm 6e-7
    assert found.spread == pytest.approx(7 * math.sqrt(share * (1 - share)), rel=1e-5)
    assert f"spread over subsets {found.spread:.3g}" in str(found) and "+-" not in str(found)


def test_kid_repeats_and_leaves_the_random_numbers_alone() -> None:
    a, b, before = torch.randn(50, 3), torch.randn(50, 3), torch.get_rng_state()
    values = [evaluate.kid(a, b, Pixels(), subsets=5, subset_size=20, seed=s).value for s in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_one_subset_has_no_spread() -> None:
    found = evaluate.kid(torch.randn(50, 3), torch.randn(50, 3), Pixels(), subsets=1, subset_size=20)
    assert found.spread is None and "spread" not in str(found)


def test_the_floor_of_bits_repeats_and_leaves_the_random_numbers_alone() -> None:
    data, before = load_data(torch.rand(200, 3).numpy(), binarize="dynamic"), torch.get_rng_state()
    values = [evaluate.fid_floor(data, Pixels(), limit=10, seed=seed).value for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="1 and 3 images"):
        evaluate.fid(torch.zeros(1, 2), torch.zeros(3, 2), Pixels())
    with pytest.raises(ValueError, match="not finite"):
        evaluate.fid(torch.full((3, 2), math.nan), torch.zeros(3, 2), Pixels())
    for options in ({"subset_size": 1}, {"subset_size": 0}, {"subsets": 0}):
        with pytest.raises(ValueError, match=r"subsets=\d+ must be at least 1 and subset_size=\d+ at least 2"):
            evaluate.kid(torch.zeros(3, 2), torch.zeros(4, 2), Pixels(), **options)


def test_generated_images_are_means_in_range() -> None:
    model = single()
    images = evaluate.generated_images(model, num_samples=7, seed=3)
    assert images.shape == (7, INPUTS) and 0 <= images.min() and images.max() <= 1
    assert torch.equal(images, evaluate.generated_images(model, num_samples=7, seed=3))


def test_classifier_learns_and_says_what_it_is(tmp_path) -> None:
    data = load_data("digits")
    before = torch.get_rng_state()
    found = evaluate.fit_classifier(data, epochs=3)
    assert torch.equal(torch.get_rng_state(), before)
    rows, labels = data.test.tensor(), data.test.labels
    with torch.no_grad():
        right = (found.head(found(rows)).argmax(1) == labels).double().mean().item()
    assert found.accuracy == pytest.approx(right) and right > 0.6
    weights = b"".join(t.numpy().tobytes() for t in found.state_dict().values())
    assert hashlib.sha256(weights).hexdigest()[:12] in found.name and "digits" in found.name
    save(found, tmp_path)
    again = load(tmp_path)
    assert isinstance(again, Classifier) and again.name == found.name and torch.equal(again(rows), found(rows))
    floor = evaluate.fid_floor(data, found, limit=150)
    noise = evaluate.fid(torch.rand(150, data.dimensions), data.test.tensor(150), found)
    assert 0 < floor.value < 0.2 * noise.value


def test_classifier_needs_labeled_images() -> None:
    with pytest.raises(ValueError, match="data='two-moons' has no image"):
        evaluate.fit_classifier(load_data("two-moons"))


def test_inception_has_the_layers_of_the_published_weights(tmp_path) -> None:
    # Names and shapes that the port's state dict is known to have, one of each kind of block, and their number.
    network = Inception()
    state = {name.removeprefix("layers."): tensor for name, tensor in network.state_dict().items()}
    known = {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.bn.running_var": (192,),
        "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
        "Mixed_6a.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
        "Mixed_6b.branch7x7dbl_5.conv.weight": (192, 128, 1, 7),
        "Mixed_6e.branch7x7_3.conv.weight": (192, 192, 7, 1),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7c.branch3x3_2b.conv.weight": (384, 384, 3, 1),
        "Mixed_7c.branch3x3dbl_3a.conv.weight": (384, 384, 1, 3),
        "Mixed_7c.branch1x1.conv.weight": (320, 2048, 1, 1),
    }
    assert {name: tuple(state[name].shape) for name in known} == known
    assert len({name.rsplit(".", 2)[0] for name in state}) == 94  # convolutions of Inception v3 without its side branch
    write_tensors(tmp_path / "inception.safetensors", {**state, "fc.weight": torch.zeros(1008, 2048)})
    extractor = InceptionFeatures((1, 28, 28), str(tmp_path / "inception.safetensors")).eval()
    with torch.no_grad():
        features = extractor(torch.rand(2, 784))
    assert features.shape == (2, 2048) and "2048 features" in extractor.name
    write_tensors(tmp_path / "other.safetensors", {"weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="not those of the FID Inception network"):
        InceptionFeatures((1, 28, 28), str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match=r"shape=\(2, 28, 28\)"):
        InceptionFeatures((2, 28, 28), "x")
