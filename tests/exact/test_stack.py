"""Convolutions and their mirror: sizes, saving, and the parameters of the dpVAE code's networks."""

from __future__ import annotations

import pytest
import torch

from prioria import nets
from prioria.storage import load, save

MNIST = ((32, 4, 2, 1), (32, 3, 1, 0), (32, 4, 2, 1), (32, 3, 1, 0))


@pytest.mark.parametrize(
    ("shape", "layers"),
    [((1, 28, 28), MNIST), ((3, 15, 18), ((4, 4, 2, 1), (5, 3, 2, 1))), ((2, 7, 7), ((3, 3, 1, 0),))],
)
def test_the_mirror_gives_the_image_back(shape, layers, tmp_path) -> None:
    size = torch.tensor(shape).prod().item()
    encoder, decoder = nets.ConvStack(shape, layers, (9, 6)), nets.DeconvStack(2, shape, layers, (9, 6))
    assert encoder(torch.zeros(3, 5, size)).shape == (3, 5, 6)
    z = torch.randn(3, 5, 2)
    assert decoder(z).shape == (3, 5, size) and decoder(z).unique().numel() > size  # not cut off by an activation
    save(decoder, tmp_path)
    assert torch.equal(load(tmp_path)(z), decoder(z))


def test_networks_have_the_published_size() -> None:
    # 28 -> 14 -> 12 -> 6 -> 4: 512 features, then 256 and 256
    convolutions = 32 * 16 + 32 + 32 * 32 * 9 + 32 + 32 * 32 * 16 + 32 + 32 * 32 * 9 + 32
    encoder = nets.ConvStack((1, 28, 28), MNIST, (256, 256))
    dense = 512 * 256 + 256 + 256 * 256 + 256
    assert sum(p.numel() for p in encoder.parameters()) == convolutions + dense
    with pytest.raises(ValueError, match="nothing of the image"):
        nets.ConvStack((1, 5, 5), MNIST, (8,))


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_signal_keeps_its_size_through_all_layers(part: str) -> None:
    """E f(x)^2 is E x^2 after a rectifier and 2 E x^2 before it; torch's own weights leave less than 1e-2 of it."""
    torch.manual_seed(0)
    layers = tuple((width, 4, 2, 1) for width in (64, 64, 128, 128))
    if part == "encoder":
        size = nets.ConvStack((8, 32, 32), layers, (512, 512))(torch.randn(64, 8 * 32 * 32)).square().mean()
    else:
        size = nets.DeconvStack(64, (8, 32, 32), layers, (512, 512))(torch.randn(64, 64)).square().mean() / 2
    assert 0.4 < size < 1.6  # padding lets less than n inputs meet at the border
