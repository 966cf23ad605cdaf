"""Pictures as people have them: written by Pillow and the standard library in their original formats, read as rows."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from prioria.data import DataError, inspect, load, read_rows
from prioria.data.own.decoding import Pictures
from prioria.data.own.sources import read_path

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 8, 6), dtype=np.uint8)
ORIENTED = {  # EXIF: value -> what the camera stored of a picture that is shown as `upright`
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].T,
    8: lambda upright: np.rot90(upright, -1),
}


def write(folder: Path, pictures, suffix=".png") -> Path:
    for number, pixels in enumerate(pictures):
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        (folder / f"{number:02}{suffix}").parent.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{number:02}{suffix}")
    return folder


def png(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def packed(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("orientation", ORIENTED)
def test_pictures_stand_upright(orientation, tmp_path):
    for number, upright in enumerate(GREY):
        image = Image.fromarray(np.ascontiguousarray(ORIENTED[orientation](upright)))
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(tmp_path / f"{number:02}.png", exif=exif)
    assert np.array_equal(read_path(tmp_path).rows[:, 0], GREY)


def test_transparency_is_laid_over_white_or_kept(tmp_path):
    color = RNG.integers(0, 256, (10, 5, 4, 4), dtype=np.uint8)
    write(tmp_path, [Image.fromarray(each, "RGBA") for each in color])
    share = color[..., 3:].astype(float) / 255
    over_white = color[..., :3] * share + 255 * (1 - share)
    assert np.abs(read_path(tmp_path).rows.transpose(0, 2, 3, 1) - over_white).max() <= 1
    data = load(tmp_path, alpha=True)
    assert data.shape == (4, 5, 4) and data.protocol.kind == "grey"
    shown = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("LA")
    shown.putalpha(Image.fromarray(np.array([[255, 0]], np.uint8)))
    write(tmp_path / "grey", [shown] * 10)
    assert read_path(tmp_path / "grey").rows[0].tolist() == [[[0, 255]]]


@pytest.mark.parametrize("suffix", [".tif", ".gif"])
def test_pages_and_frames_are_rows(suffix, tmp_path):
    for number in range(4):
        first, *others = [Image.fromarray(each) for each in GREY[3 * number : 3 * number + 3]]
        first.save(tmp_path / f"{number}{suffix}", save_all=True, append_images=others)
    rows = read_path(tmp_path).rows
    assert rows.shape == (12, 1 if suffix == ".tif" else 3, 8, 6)  # a palette may hold any color
    assert np.array_equal(rows, np.broadcast_to(GREY[:, None], rows.shape))
    assert inspect(tmp_path, frames="first").shape[0] == 4
    assert np.array_equal(read_path(tmp_path / f"1{suffix}").rows[:, 0], GREY[3:6])  # one file is pictures too


def test_folders_are_parts_and_labels(tmp_path):
    for part, count in {"train": 10, "val": 2, "test": 4}.items():
        for kind in ("cat", "dog"):
            write(tmp_path / part / kind, GREY[:count])
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 4, 8)
    assert data.protocol.classes == ("cat", "dog") and data.protocol.split == "as in the file"
    assert data.test.labels is not None and data.test.labels.tolist() == [0] * 4 + [1] * 4
    assert torch.equal(data.test.tensor()[:4], (torch.from_numpy(GREY[:4]).reshape(4, -1) + 0.5) / 256)


def test_a_part_that_is_absent_is_drawn_from_the_training_pictures(tmp_path):
    write(tmp_path / "set" / "train", GREY[:10])
    write(tmp_path / "set" / "test", GREY[10:])
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (8, 2, 2)
    assert data.protocol.split == "as in the file; validation: a random tenth of the training rows"
    assert torch.equal(data.test.tensor(), (torch.from_numpy(GREY[10:]).reshape(2, -1) + 0.5) / 256)
    rows = torch.cat([data.train.tensor(), data.validation.tensor()]).unique(dim=0)
    assert torch.equal(rows, ((torch.from_numpy(GREY[:10]).reshape(10, -1) + 0.5) / 256).unique(dim=0))


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz", "set.tgz"])
def test_archives_are_read_in_place_without_litter(name, tmp_path):
    files = {f"a/{number:02}.png": png(each) for number, each in enumerate(GREY)}
    litter = {f"__MACOSX/a/._{number:02}.png": b"\0\5\26\7" for number in range(12)}
    backwards = dict(reversed((files | litter | {"a/.DS_Store": b"x", "a/Thumbs.db": b"x"}).items()))
    found = read_path(packed(tmp_path / name, backwards))
    assert np.array_equal(found.rows[:, 0], GREY) and found.labels is None
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGB", "YCbCr"])
def test_modes_are_read_as_color(mode, tmp_path):
    bits = np.where(GREY > 127, 255, 0).astype(np.uint8)
    image = [Image.fromarray(each).convert("RGB").convert(mode) for each in bits]
    write(tmp_path, image, ".png" if mode in ("P", "RGB") else ".tif")
    rows = read_path(tmp_path).rows
    assert rows.shape == (12, 3, 8, 6)
    assert np.abs(rows.astype(int) - bits[:, None]).max() <= 1


def test_sixteen_bits_are_brought_to_eight(tmp_path):
    deep = RNG.integers(0, 65536, (10, 4, 4), dtype=np.uint16)
    write(tmp_path / "png", deep)
    write(tmp_path / "tif", deep, ".tif")
    for folder in ("png", "tif"):
        assert np.array_equal(read_path(tmp_path / folder).rows[:, 0], np.round(deep / 257).astype(np.uint8))


def test_grey_and_color_are_mixed_by_an_option_alone(tmp_path):
    write(tmp_path, [*GREY[:6], *[np.stack([each] * 3, -1) for each in GREY[6:]]])
    with pytest.raises(DataError, match=r"00.png is grey but 06.png is in color; .*--color grey"):
        load(tmp_path)
    assert np.array_equal(load(tmp_path, color="grey").protocol.shape, (1, 8, 6))
    data = load(tmp_path, color="rgb")
    again = load(**json.loads(json.dumps(data.origin)))
    assert again.protocol == data.protocol and data.shape == (3, 8, 6)
    write(tmp_path / "more", GREY)
    assert read_rows(tmp_path / "more", data.protocol).tensor().shape == (12, 144)  # read as those of training were


def test_sizes_are_brought_together(tmp_path):
    wide = np.zeros((10, 40), np.uint8)
    wide[:, 10:30] = 255  # the center, which alone is kept where it is cut
    write(tmp_path, [wide] * 5 + [np.full((20, 20), 255, np.uint8)] * 5)
    with pytest.raises(DataError, match="00.png is 40x10 grey but 05.png is 20x20 grey; .*--resize"):
        load(tmp_path)
    assert load(tmp_path, resize="16x12").shape == (1, 12, 16)
    assert load(tmp_path, resize=(5, 5)).train.tensor().min() < 0.1
    assert read_path(tmp_path, Pictures(resize=(5, 5), crop=True)).rows.min() == 255


def test_labels_in_a_table(tmp_path):
    write(tmp_path / "train", GREY)
    lines = [f"{number:02}.png,{'odd' if number % 2 else 'even'},{number}" for number in range(12)]
    (tmp_path / "train" / "metadata.csv").write_text("file_name,label,height\n" + "\n".join(lines))
    found = read_path(tmp_path)
    assert found.labels is not None and found.labels.tolist() == ["even", "odd"] * 6
    (tmp_path / "train" / "metadata.csv").write_text("file_name,label\n" + "\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"no row for train/11.png \(1 such\)"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"resize": "64"}, "must be width x height"),
        ({"resize": (0, 3)}, "at least 1"),
        ({"crop": True}, "give it too"),
    ],
)
def test_options_are_checked_before_anything_is_read(options, reason, tmp_path):
    with pytest.raises(DataError, match=reason):
        load(tmp_path / "absent", **options)


def test_options_of_pictures_are_for_pictures():
    for source in ("digits", GREY.reshape(12, -1)):
        with pytest.raises(DataError, match="resize, crop, color, alpha and frames are for"):
            load(source, resize="8x8")


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_a_model_of_255_levels_reads_black_pictures(dtype):
    data = load(GREY[:, None].repeat(2, axis=0))
    for brightest in (0, 1) if np.issubdtype(dtype, np.integer) else (0,):
        rows = np.zeros((3, 1, 8, 6), dtype)
        rows[:, :, 0] = brightest
        assert np.allclose(read_rows(rows, data.protocol).tensor().numpy(), (rows.reshape(3, -1) + 0.5) / 256)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_levels_up_to_255_are_grey_in_any_storage(dtype, tmp_path):
    rows = np.concatenate([GREY, GREY])
    rows[0, 0, 0] = 255
    expected = load(rows[:, None]).train.tensor()
    for pictures in (rows[:, None], rows.reshape(24, -1)):
        data = load(pictures.astype(dtype))
        assert data.protocol.kind == "grey" and data.protocol.scale == 256
        assert torch.equal(data.train.tensor(), expected)
    squares = load(rows[:, :, :4].reshape(24, 32).repeat(2, axis=1).astype(np.float64))
    assert squares.shape == (1, 8, 8)
    names = ",".join(["label", *(f"pixel{place}" for place in range(48))])
    np.savetxt(tmp_path / "t.csv", np.c_[np.arange(24) % 3, rows.reshape(24, -1)], "%d", ",", header=names, comments="")
    table = load(tmp_path / "t.csv")
    assert torch.equal(table.train.tensor(), expected) and table.protocol.classes == ("0", "1", "2")


def test_numbers_that_reach_255_by_chance_are_no_pictures():
    assert load(RNG.poisson(200, (40, 16)).clip(0, 254)).protocol.kind == "count"
    assert load(np.r_[RNG.normal(100, 20, (40, 16)), np.full((1, 16), 255.0)]).protocol.kind == "continuous"


def test_labels_of_a_tar_that_begins_with_a_dot_and_of_a_table_with_semicolons(tmp_path):
    table = "\ufeffFile_Name;Label\n" + "".join(f"{k:02}.png;{'a' if k % 2 else 'b'}\n" for k in range(12))
    files = {f"./{k:02}.png": png(pixels) for k, pixels in enumerate(GREY)} | {"./metadata.csv": table.encode()}
    data = load(packed(tmp_path / "set.tar.gz", files))
    assert data.protocol.classes == ("a", "b")


def test_captions_are_no_labels_and_a_table_of_a_folder_is_not_asked_for_one_picture(tmp_path):
    write(tmp_path, GREY)
    captions = "file_name,text\n" + "".join(f"{k:02}.png,a picture of number {k}\n" for k in range(12))
    (tmp_path / "metadata.csv").write_text(captions)
    assert load(tmp_path).train.labels is None
    frames = [Image.fromarray(pixels) for pixels in GREY]
    frames[0].save(tmp_path / "one.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "metadata.csv").write_text("picture,label\nother.png,1\n")
    assert len(load(tmp_path / "one.tif").train) == 8


def test_broken_pictures_are_counted_and_pages_of_two_sizes_named_with_the_option(tmp_path):
    write(tmp_path / "broken", GREY)
    for name in ("03.png", "05.png"):
        (tmp_path / "broken" / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"03.png is no picture.*move it out \(2 of 12 files are like it\)"):
        load(tmp_path / "broken")
    (tmp_path / "pages").mkdir()
    for k, pixels in enumerate(GREY):
        image = Image.fromarray(pixels)
        image.save(tmp_path / "pages" / f"{k}.tif", save_all=True, append_images=[image.resize((3, 4))])
    with pytest.raises(DataError, match="--frames first"):
        load(tmp_path / "pages")
    assert load(tmp_path / "pages", frames="first").shape == (1, 8, 6)


def test_pictures_of_twelve_bits_in_sixteen_are_said_to_be_dark(tmp_path):
    write(tmp_path, RNG.integers(0, 4096, (12, 4, 4), dtype=np.uint16))
    with pytest.warns(UserWarning, match="reach 4095 of 65535 at most"):
        load(tmp_path)


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_pictures_without_a_channel_are_read_again_as_they_came(scale, tmp_path):
    rows = np.random.default_rng(5).random((20, 16, 16)) * scale
    np.save(tmp_path / "rows.npy", rows)
    data = load(tmp_path / "rows.npy")
    assert data.shape == (1, 16, 16)
    again = read_rows(tmp_path / "rows.npy", data.protocol)
    assert len(again) == 20 and again.protocol.shape == (1, 16, 16)
    whole = torch.cat([part.tensor() for part in (data.train, data.validation, data.test)])
    torch.testing.assert_close(again.tensor().sum(1).sort().values, whole.sum(1).sort().values)
    with pytest.raises(DataError, match=r"rows of shape \(16, 8\), but the model is for \(1, 16, 16\)"):
        read_rows(rows[:, :, :8], data.protocol)
