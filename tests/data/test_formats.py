"""Sets whose files are not at hand are read from tiny files in the original format."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from prioria.data import DataError, load
from prioria.data.files import File
from prioria.data.known import caltech101_silhouettes, celeba, cifar10, dsprites, lfwcrop, omniglot, svhn

RNG = np.random.default_rng(2)


def test_omniglot_from_a_file_in_its_format(tmp_path, monkeypatch):
    pictures = RNG.uniform(size=(1400, 28, 28))
    alphabets = RNG.integers(0, 50, 1400)
    columns = pictures.transpose(0, 2, 1).reshape(1400, 784).T  # pixels run down the columns of a picture
    one_hot = np.eye(50)[alphabets].T
    arrays = {"data": columns, "target": one_hot, "testdata": columns[:, :9], "testtarget": one_hot[:, :9]}
    savemat(tmp_path / "chardata.mat", arrays)
    monkeypatch.setattr(omniglot, "FILES", (File("chardata.mat"),))
    data = load("omniglot", root=tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (55, 1345, 9)
    order = np.random.default_rng(0).permutation(1400)
    assert np.allclose(data.train.rows.numpy(), pictures[order[:55]].reshape(55, 784))
    assert data.test.labels.tolist() == alphabets[:9].tolist()
    assert set(data.test.tensor().unique().tolist()) == {0.0, 1.0}


def test_caltech_split_file_in_its_format(tmp_path, monkeypatch):
    pictures = RNG.integers(0, 2, (9, 28, 28), dtype=np.uint8)
    raw = (1 - pictures).transpose(0, 2, 1).reshape(9, 784)
    parts = {"train": slice(0, 4), "val": slice(4, 6), "test": slice(6, 9)}
    arrays = {f"{part}_data": raw[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": np.full((rows.stop - rows.start, 1), 101) for part, rows in parts.items()}
    savemat(tmp_path / "split1.mat", arrays)
    monkeypatch.setattr(caltech101_silhouettes, "SPLIT_FILE", File("split1.mat"))
    data = load("caltech101-silhouettes", root=tmp_path)
    found = torch.cat([data.train.tensor(), data.validation.tensor(), data.test.tensor()])
    assert np.array_equal(found.numpy(), pictures.reshape(9, 784))
    assert data.test.labels.tolist() == [100] * 3


def test_svhn_in_its_format(tmp_path, monkeypatch):
    pictures = RNG.integers(0, 256, (5004, 2, 2, 3), dtype=np.uint8)
    for part in ("train", "test"):
        savemat(tmp_path / f"{part}.mat", {"X": pictures.transpose(1, 2, 3, 0), "y": np.full((5004, 1), 10)})
    monkeypatch.setattr(svhn, "FILES", (File("train.mat"), File("test.mat")))
    rows, labels = svhn.read_digits(tmp_path / "train.mat")
    assert np.array_equal(rows, pictures.transpose(0, 3, 1, 2))
    assert not labels.any()


@pytest.mark.parametrize("packed", [True, False])
def test_cifar10_in_its_format(tmp_path, monkeypatch, packed):
    records = RNG.integers(0, 10, (6, 4, 3073), dtype=np.uint8)
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, batch in zip(names, records, strict=True):
        (folder / name).write_bytes(batch.tobytes())
    if packed:
        with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
            archive.add(folder, folder.name)
    monkeypatch.setattr(cifar10, "FILE", File("cifar.tar.gz" if packed else folder.name))
    monkeypatch.setattr(cifar10, "SIZES", (15, 5, 4))
    data = load("cifar10", root=tmp_path)
    rows = data.protocol.unscaled(torch.cat([data.train.tensor(), data.validation.tensor(), data.test.tensor()]))
    assert np.array_equal(rows.numpy(), records[:, :, 1:].reshape(24, 3072))
    assert data.validation.labels.tolist() == records[:5, :, 0].reshape(20)[15:].tolist()


@pytest.mark.parametrize("packed", [True, False])
def test_celeba_in_its_format(tmp_path, monkeypatch, packed):
    folder = tmp_path / "img_align_celeba"
    folder.mkdir()
    names = [f"{number:06}.jpg" for number in range(1, 7)]
    for number, name in enumerate(names):
        picture = np.full((218, 178, 3), 40 * number, np.uint8)
        picture[:35] = picture[-35:] = picture[:, :15] = picture[:, -15:] = 255  # cut away
        Image.fromarray(picture).save(folder / name, quality=100)
    if packed:
        with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
            for name in names:
                archive.write(folder / name, f"img_align_celeba/{name}")
    (tmp_path / "parts.txt").write_text("\n".join(f"{name} {part}" for name, part in zip(names, "001012", strict=True)))
    monkeypatch.setattr(celeba, "PICTURES", File("faces.zip" if packed else folder.name))
    monkeypatch.setattr(celeba, "PARTITION", File("parts.txt"))
    data = load("celeba", root=tmp_path)
    found = [data.protocol.unscaled(part.tensor()) for part in (data.train, data.validation, data.test)]
    for rows, grey in zip(found, ([0, 40, 120], [80, 160], [200]), strict=True):
        assert rows.shape == (len(grey), 3 * 64 * 64)
        inside = rows.reshape(-1, 3, 64, 64)[:, :, 2:-2, 2:-2]
        assert (inside - torch.tensor(grey)[:, None, None, None]).abs().max() <= 3  # JPEG


def test_dsprites_in_its_format(tmp_path, monkeypatch):
    pictures = RNG.integers(0, 2, (30, 64, 64), dtype=np.uint8)
    classes = np.concatenate([np.zeros((30, 1), int), RNG.integers(0, 3, (30, 5))], axis=1)
    metadata = np.array({"title": "an object, which is not read"}, object)
    np.savez_compressed(tmp_path / "sprites.npz", imgs=pictures, latents_classes=classes, metadata=metadata)
    monkeypatch.setattr(dsprites, "FILE", File("sprites.npz"))
    rows, factors = dsprites.read_npz(tmp_path / "sprites.npz")
    assert isinstance(rows, np.memmap) and np.array_equal(rows, pictures)
    assert np.array_equal(factors, classes[:, 1:])


def test_dsprites_without_a_writable_cache(tmp_path, cache):
    np.savez_compressed(tmp_path / "sprites.npz", imgs=np.eye(4), latents_classes=np.zeros((4, 5), int))
    (cache / "prioria").touch()  # a file where the folder should be
    rows, _ = dsprites.read_npz(tmp_path / "sprites.npz")
    assert np.array_equal(rows, np.eye(4))


def test_every_sixth_of_the_whole_lfwcrop(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for number in range(13):
            buffer = io.BytesIO()
            Image.new("RGB", (64, 64), (number, 0, 0)).save(buffer, "PPM")
            archive.writestr(f"lfwcrop_color/faces/{number:02}.ppm", buffer.getvalue())
    monkeypatch.setattr(lfwcrop, "FILE", File("sixth.zip", instead=File("all.zip")))
    monkeypatch.setattr(lfwcrop, "SIZES", (1, 1, 1))
    data = load("lfwcrop", root=tmp_path)
    found = {data.protocol.unscaled(part.tensor())[0, 0].item() for part in (data.train, data.validation, data.test)}
    assert found == {0.0, 6.0, 12.0}


@pytest.mark.parametrize(
    ("place", "value", "remedy"),
    [(0, 1, "is encrypted.*; pack it again without a password"), (2, 9, "pack it again as plain zip")],
    ids=["a password", "Deflate64"],
)
@pytest.mark.parametrize("name", ["set.zip", "set.npz"])
def test_zip_files_that_python_does_not_unpack(tmp_path, name, place, value, remedy):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("0.png" if name == "set.zip" else "x.npy", b"packed")
    packed = bytearray((tmp_path / name).read_bytes())
    for header in (packed.index(b"PK\3\4") + 6, packed.index(b"PK\1\2") + 8):  # flags, then the method, of the member
        packed[header + place] = value
    (tmp_path / name).write_bytes(packed)
    with pytest.raises(DataError, match=remedy) as caught:
        load(tmp_path / name)
    assert name in str(caught.value)
