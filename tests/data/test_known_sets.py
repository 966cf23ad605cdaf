"""Every known set: what it declares is what it holds, and the figures that are known of the originals."""

import gzip
import zipfile

import numpy as np
import pytest
import torch

from prioria.data import catalogue, load
from prioria.data.formats import IDX_IMAGES, read_idx
from prioria.data.known import omniglot28
from prioria.data.known.catalogue import BY_NAME
from prioria.data.known.pendulum import render
from prioria.data.known.two_moons import two_moons


@pytest.mark.parametrize("name", BY_NAME)
def test_declaration(name):
    protocol = BY_NAME[name].protocol
    assert protocol.name == name and protocol.source and protocol.split
    assert (protocol.binarization == "dynamic") <= (protocol.likelihoods == ("Bernoulli",))
    assert (protocol.kind == "binary") <= (protocol.likelihoods == ("Bernoulli",))


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", BY_NAME)
def test_a_set_at_hand_is_what_it_declares(name, data_root):
    known = BY_NAME[name]
    if not known.at_hand(data_root):
        pytest.skip(f"the files of {name} are not below {data_root}")
    data = load(name, root=data_root)
    parts = (data.train, data.validation, data.test)
    assert tuple(map(len, parts)) == known.sizes
    assert data.shape == known.protocol.shape
    assert len({part.labels is None for part in parts}) == 1
    for part in parts:
        x = part.batch(torch.arange(0, len(part), 7)[:200])
        assert x.dtype == torch.float32 and x.isfinite().all()
        if known.protocol.kind != "continuous":
            assert x.min() >= 0 and x.max() <= 1
        if known.protocol.likelihoods == ("Bernoulli",):
            assert set(x.unique().tolist()) == {0.0, 1.0}
        if known.protocol.classes and part.labels is not None:
            assert part.labels.max() < len(known.protocol.classes)


@pytest.mark.data
def test_mnist(data_root):
    data = load("mnist", root=data_root)
    labels = torch.cat([data.train.labels, data.validation.labels])
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert torch.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    probability = data.train.rows.float() / 255
    assert abs(probability.mean() - 0.1307) < 5e-4 and abs(probability.std() - 0.3081) < 5e-4


@pytest.mark.data
def test_mnist_is_binarized_as_the_vampprior_code_does(data_root):
    data = load("mnist", root=data_root)
    folder = data_root / "mnist"
    grey = [read_idx(folder / f"{part}-images-idx3-ubyte.gz", IDX_IMAGES) for part in ("train", "t10k")]
    np.random.seed(777)
    validation = np.random.binomial(1, (grey[0][50000:].astype("float32") / 255.0).reshape(-1, 784))
    test = np.random.binomial(1, (grey[1].astype("float32") / 255.0).reshape(-1, 784))
    assert np.array_equal(data.validation.tensor().numpy(), validation)
    assert np.array_equal(data.test.tensor().numpy(), test)


@pytest.mark.data
def test_fashion_mnist(data_root):
    data = load("fashion-mnist", root=data_root)
    labels = torch.cat([data.train.labels, data.validation.labels])
    assert torch.bincount(labels).tolist() == [6000] * 10
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    assert labels[:3].tolist() == [9, 0, 0]
    assert abs(data.train.mean().mean() - 0.2860) < 1e-3


@pytest.mark.data
def test_static_mnist(data_root):
    data = load("mnist-static", root=data_root)
    for part, mean in ((data.train, 0.130562), (data.validation, 0.131127), (data.test, 0.132512)):
        assert abs(part.mean().double().mean() - mean) < 1e-6
    with gzip.open(data_root / "static-binarized-mnist/binarized_mnist_test.amat.gz", "rt") as text:
        first = [[int(value) for value in next(text).split()] for _ in range(20)]
    assert data.test.batch(torch.arange(20)).tolist() == first


@pytest.mark.data
def test_grey_mnist(data_root):
    data = load("mnist-grey", root=data_root)
    grey = read_idx(data_root / "mnist" / "t10k-images-idx3-ubyte.gz", IDX_IMAGES).reshape(-1, 784)
    assert np.array_equal(data.test.batch(torch.arange(500)).numpy(), (grey[:500] / np.float32(255)).astype(np.float32))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [50000, 10000, 10000]
    assert torch.equal(data.train.batch(torch.arange(9)), data.train.batch(torch.arange(9)))


@pytest.mark.data
def test_thresholded_mnist(data_root):
    data = load("mnist-thresholded", root=data_root)
    grey = read_idx(data_root / "mnist" / "t10k-images-idx3-ubyte.gz", IDX_IMAGES).reshape(-1, 784)
    scaled = [(each - each.min()) / (each.max() - each.min()) for each in grey[:500].astype("float64")]
    assert np.array_equal(data.test.batch(torch.arange(500)).numpy(), np.array(scaled) > 0.5)
    assert 0.12 < data.train.mean().mean() < 0.14
    assert torch.equal(data.train.batch(torch.arange(9)), data.train.batch(torch.arange(9)))


@pytest.mark.data
def test_caltech_silhouettes(data_root):
    data = load("caltech101-silhouettes-random", root=data_root)
    parts = (data.train, data.validation, data.test)
    mean = sum(len(part) * part.mean().mean() for part in parts) / 8671
    assert abs(mean - (1 - 0.5439)) < 1e-4
    assert sum(torch.bincount(part.labels, minlength=101) for part in parts).min() > 0
    corners = torch.cat([part.tensor()[:, [0, 27, 756, 783]] for part in parts])
    assert corners.mean() < 0.25  # the object is the bright part


@pytest.mark.data
def test_frey_faces(data_root):
    data = load("frey-faces", root=data_root)
    values = data.protocol.unscaled(torch.cat([data.train.tensor(), data.validation.tensor(), data.test.tensor()]))
    assert torch.equal(values, values.round()) and values.min() >= 0 and values.max() <= 255
    picture = values.mean(0).reshape(28, 20)
    rough = [picture.diff(dim=dimension).abs().mean() for dimension in (0, 1)]
    assert max(rough) < 0.5 * picture.std()  # smooth both ways; with rows and columns mixed up it is 1.0


@pytest.mark.data
def test_olivetti(data_root):
    data = load("olivetti", root=data_root)
    labels = torch.cat([data.train.labels, data.validation.labels, data.test.labels])
    assert torch.bincount(labels).tolist() == [10] * 40


@pytest.mark.data
def test_cifar10_sample(data_root):
    data = load("cifar10-sample", root=data_root)
    assert data.train.labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert data.test.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]


@pytest.mark.data
def test_lfwcrop(data_root):
    data = load("lfwcrop", root=data_root)
    assert abs(data.train.mean().mean() - 0.485) < 2e-3


@pytest.mark.data
def test_dsprites_grid_is_a_full_grid(data_root):
    data = load("dsprites-grid", root=data_root)
    labels = torch.cat([data.train.labels, data.validation.labels, data.test.labels])
    assert [len(column.unique()) for column in labels.T] == [3, 6, 10, 16, 16]
    assert len(labels.unique(dim=0)) == 3 * 6 * 10 * 16 * 16
    assert data.protocol.factors == ("shape", "scale", "orientation", "x", "y")


@pytest.mark.data
def test_dsprites_positions_are_where_the_labels_say(data_root):
    train = load("dsprites-grid", root=data_root).train
    x = train.batch(torch.arange(500)).reshape(-1, 64, 64)
    grid = torch.arange(64.0)
    horizontal = (x.sum(1) * grid).sum(1) / x.sum((1, 2))
    vertical = (x.sum(2) * grid).sum(1) / x.sum((1, 2))
    assert torch.corrcoef(torch.stack([horizontal, train.labels[:500, 3].float()]))[0, 1] > 0.99
    assert torch.corrcoef(torch.stack([vertical, train.labels[:500, 4].float()]))[0, 1] > 0.99


@pytest.mark.data
def test_omniglot28_is_derived_from_the_originals(data_root, tmp_path):
    with (
        zipfile.ZipFile(data_root / "omniglot/images_evaluation.zip") as source,
        zipfile.ZipFile(tmp_path / "part.zip", "w") as target,
    ):
        for name in source.namelist()[:700]:
            target.writestr(name, source.read(name))
    rows, alphabets = omniglot28.derive(tmp_path / "part.zip")
    with np.load(data_root / "omniglot/omniglot28_derived.npz", allow_pickle=False) as arrays:
        assert np.array_equal(rows[:, 0], arrays["evaluation"][:700])
        assert np.array_equal(alphabets, arrays["evaluation_alphabet"][:700])
    again, _ = omniglot28.derive(tmp_path / "part.zip")
    assert isinstance(again, np.memmap) and np.array_equal(again, rows)  # the second time from the cache


@pytest.mark.data
def test_catalogue_says_what_is_at_hand(data_root):
    at_hand = {entry.protocol.name: entry.at_hand for entry in catalogue(data_root)}
    assert at_hand["mnist-static"] and at_hand["digits"]
    assert at_hand["celeba"] == (data_root / "celeba").exists()


def test_digits():
    data = load("digits")
    labels = torch.cat([data.train.labels, data.validation.labels, data.test.labels])
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert not torch.equal(load("digits", seed=1).train.labels, data.train.labels)


def test_two_moons_lie_on_their_circles():
    points, moon = two_moons(20_000, 0.05, np.random.default_rng(0))
    center = np.where(moon[:, None] == 0, [0.0, 0.0], [1.0, 0.5])
    radius = np.linalg.norm(points - center, axis=1)
    assert abs(radius.std() - 0.05) < 0.002
    assert abs(radius.mean() - (1 + 0.05**2 / 2)) < 4 * 0.05 / 20_000**0.5  # of a Rice distribution
    assert np.all(np.where(moon == 0, points[:, 1] > -0.3, points[:, 1] < 0.8))


def test_pendulum_points_at_its_angle():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    pictures = render(angle)[:, 0]
    grid = (np.arange(16) + 0.5) / 8 - 1
    mass = pictures.sum((1, 2))
    down, right = (pictures.sum(2) @ grid) / mass, (pictures.sum(1) @ grid) / mass
    error = np.angle(np.exp(1j * (np.arctan2(right, down) - angle)))
    assert np.abs(error).max() < 0.05
    assert mass.std() / mass.mean() < 0.02  # as bright in every direction


def test_pendulum_noise():
    data = load("pendulum")
    noise = data.train.tensor() - torch.from_numpy(render(data.train.labels[:, 0].double().numpy())).flatten(1)
    assert abs(noise.std() - 0.05) < 1e-4 and abs(noise.mean()) < 2e-4
