"""The Inception network of the Frechet inception distance: Inception v3 as exported in 2015, without its classifier.

It differs from the network that torchvision ships: average pools leave their padding out, and the last block pools by
maximum. Layers are named as in the port of its weights to PyTorch that FID tools share.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prioria.module import Module

Kernel = tuple[int, int]
Layer = tuple[str, int, Kernel]  # name, channels out, kernel
Siblings = tuple[Layer, ...]  # layers that read the same and are concatenated

ONE, THREE, FIVE, ROW, COLUMN = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)
FEATURES = 2048


class Convolution(nn.Sequential):
    """Convolution without bias, batch normalization, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, *, stride: int = 1, padding: Kernel = (0, 0)) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        super().__init__(OrderedDict(conv=conv, bn=nn.BatchNorm2d(outputs, eps=0.001), relu=nn.ReLU(inplace=True)))


class Mixed(nn.Module):
    """Branches that read the same image, concatenated; the last step of a branch halves the image if ``halve``.

    Args:
        inputs: channels in.
        branches: steps of each branch.
        pool: pools the image for one more branch.
        pooled: channels of the convolution after the pool, 0 for none.
        halve: last steps have stride 2 and no padding.
    """

    def __init__(
        self,
        inputs: int,
        branches: Sequence[Sequence[Siblings]],
        pool: nn.Module,
        *,
        pooled: int = 0,
        halve: bool = False,
    ) -> None:
        super().__init__()
        self.branches, self.pool, self.pooled = branches, pool, pooled
        for branch in branches:
            width = inputs
            for step in branch:
                for name, outputs, kernel in step:
                    self.add_module(name, _layer(width, outputs, kernel, halve=halve and step is branch[-1]))
                width = sum(outputs for _, outputs, _ in step)
        if pooled:
            self.branch_pool = Convolution(inputs, pooled, ONE)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pool(x)
        return torch.cat(
            [*(self._run(branch, x) for branch in self.branches), self.branch_pool(pooled) if self.pooled else pooled],
            1,
        )

    def _run(self, branch: Sequence[Siblings], x: Tensor) -> Tensor:
        for step in branch:
            x = torch.cat([self.get_submodule(name)(x) for name, _, _ in step], 1)
        return x


def _layer(inputs: int, outputs: int, kernel: Kernel, *, halve: bool) -> Convolution:
    if halve:
        return Convolution(inputs, outputs, kernel, stride=2)
    return Convolution(inputs, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2))


def _average() -> nn.Module:
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def _chain(name: str, widths: Sequence[int], kernels: Sequence[Kernel]) -> list[Siblings]:
    layers = zip(widths, kernels, strict=True)
    return [((f"{name}_{number}", width, kernel),) for number, (width, kernel) in enumerate(layers, start=1)]


def _one(name: str, width: int, kernel: Kernel = ONE) -> list[Siblings]:
    return [((name, width, kernel),)]


def _split(name: str) -> Siblings:
    return (f"{name}a", 384, (1, 3)), (f"{name}b", 384, (3, 1))


def _mixed_a(inputs: int, pooled: int) -> Mixed:
    five = _chain("branch5x5", (48, 64), (ONE, FIVE))
    double = _chain("branch3x3dbl", (64, 96, 96), (ONE, THREE, THREE))
    return Mixed(inputs, [_one("branch1x1", 64), five, double], _average(), pooled=pooled)


def _mixed_b(inputs: int) -> Mixed:
    double = _chain("branch3x3dbl", (64, 96, 96), (ONE, THREE, THREE))
    return Mixed(inputs, [_one("branch3x3", 384, THREE), double], nn.MaxPool2d(3, 2), halve=True)


def _mixed_c(inputs: int, width: int) -> Mixed:
    seven = _chain("branch7x7", (width, width, 192), (ONE, ROW, COLUMN))
    double = _chain("branch7x7dbl", (width, width, width, width, 192), (ONE, COLUMN, ROW, COLUMN, ROW))
    return Mixed(inputs, [_one("branch1x1", 192), seven, double], _average(), pooled=192)


def _mixed_d(inputs: int) -> Mixed:
    three = _chain("branch3x3", (192, 320), (ONE, THREE))
    seven = _chain("branch7x7x3", (192, 192, 192, 192), (ONE, ROW, COLUMN, THREE))
    return Mixed(inputs, [three, seven], nn.MaxPool2d(3, 2), halve=True)


def _mixed_e(inputs: int, pool: nn.Module) -> Mixed:
    three = [*_chain("branch3x3", (384,), (ONE,)), _split("branch3x3_2")]
    double = [*_chain("branch3x3dbl", (448, 384), (ONE, THREE)), _split("branch3x3dbl_3")]
    return Mixed(inputs, [_one("branch1x1", 320), three, double], pool, pooled=192)


class Inception(Module):
    """Features (N, 2048) of images (N, 3, 299, 299) with values from -1 to 1.

    Example:
        >>> sum(parameter.numel() for parameter in Inception().parameters())
        21785568
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                Conv2d_1a_3x3=Convolution(3, 32, THREE, stride=2),
                Conv2d_2a_3x3=Convolution(32, 32, THREE),
                Conv2d_2b_3x3=Convolution(32, 64, THREE, padding=(1, 1)),
                maxpool1=nn.MaxPool2d(3, 2),
                Conv2d_3b_1x1=Convolution(64, 80, ONE),
                Conv2d_4a_3x3=Convolution(80, 192, THREE),
                maxpool2=nn.MaxPool2d(3, 2),
                Mixed_5b=_mixed_a(192, 32),
                Mixed_5c=_mixed_a(256, 64),
                Mixed_5d=_mixed_a(288, 64),
                Mixed_6a=_mixed_b(288),
                Mixed_6b=_mixed_c(768, 128),
                Mixed_6c=_mixed_c(768, 160),
                Mixed_6d=_mixed_c(768, 160),
                Mixed_6e=_mixed_c(768, 192),
                Mixed_7a=_mixed_d(768),
                Mixed_7b=_mixed_e(1280, _average()),
                Mixed_7c=_mixed_e(2048, nn.MaxPool2d(3, 1, 1)),
                average=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
