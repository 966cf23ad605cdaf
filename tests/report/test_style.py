"""Pictures are written the same every time, and as what their name says."""

import base64
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image

from prioria.report import style


def figure() -> Figure:
    drawn, (left, right) = style.panels(4.0, 2.0, columns=2)
    style.dress(left, "left", x="x", y="y").plot([0, 1], [1, 0], label="line")
    style.dress(right).scatter([0, 1], [1, 0], rasterized=True, label="points")
    style.legend(left)
    style.legend_below(right)
    return drawn


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_same_drawing_gives_the_same_bytes(suffix: str):
    assert style.render(figure(), suffix) == style.render(figure(), suffix)


def test_png_has_the_size_that_was_asked_for(tmp_path: Path):
    with Image.open(style.write(figure(), tmp_path / "figure.png")) as image:
        assert (image.format, image.size) == ("PNG", (4 * style.DPI, 2 * style.DPI))


def test_svg_fetches_nothing_and_holds_clouds_as_one_picture(tmp_path: Path):
    root = ElementTree.parse(style.write(figure(), tmp_path / "figure.svg")).getroot()
    links = [value for item in root.iter() for name, value in item.attrib.items() if name.endswith("href")]
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert sum(link.startswith("data:") for link in links) == 1


def test_inlined_bytes_come_back():
    medium, _, text = style.inline(b"\x00picture", ".png").partition(",")
    assert (medium, base64.b64decode(text)) == ("data:image/png;base64", b"\x00picture")


@pytest.mark.parametrize("path", ["figure.jpg", "figure"])
def test_other_files_are_refused(path: str, tmp_path: Path):
    with pytest.raises(ValueError, match=r"use \.png or \.svg"):
        style.write(figure(), tmp_path / path)
    assert list(tmp_path.iterdir()) == []


def test_legend_below_is_not_wider_than_the_figure():
    names = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    drawn, (axes,) = style.panels(5.4, 4.4)
    for name in names:
        axes.scatter([0], [1], label=name)
    style.legend_below(axes)
    style.render(drawn, ".png")
    (legend,) = drawn.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= drawn.bbox.width
    assert [text.get_text() for text in legend.get_texts()] == names
