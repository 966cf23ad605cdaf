"""Weights in bfloat16 beside those of the model, which stay in float32, for the two passes of a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import (  # the name that torch.optim itself uses
    _foreach_copy_,  # pyright: ignore[reportPrivateImportUsage]
    nn,
)

from prioria.train.options import Options

if TYPE_CHECKING:
    from accelerate import Accelerator

LAYERS = {nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d}


class Halves:
    """Leaves in bfloat16 of linear and convolution layers, all cast at once, and their gradients cast back at once.

    Values and gradients are those of autocast bit for bit: it casts the same weights to the same numbers, one by one,
    and adds up in bfloat16, too, what a layer receives that is used twice. A layer has its leaves only while it runs:
    whoever else reads, saves or averages a weight finds it in float32.

    Does nothing in float32, nor where a compiled step fuses its casts or processes share gradients of the weights.

    Args:
        model: whose layers.
        options: of the training.
        accelerator: of the training.
    """

    def __init__(self, model: nn.Module, options: Options, accelerator: Accelerator) -> None:
        self.model = model
        self.needed = options.precision == "bf16" and not options.compile and accelerator.num_processes == 1
        self.halves: dict[nn.Parameter, nn.Parameter] = {}
        self.own: dict[nn.Module, dict[str, nn.Parameter]] = {}

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Makes the leaves, for as long as a training lasts; :meth:`step` says when they are used."""
        # a subclass may do more with its weights
        layers = [each for each in self.model.modules() if self.needed and type(each) in LAYERS]
        self.own = {each: _single(each) for each in layers}
        weights = {weight for own in self.own.values() for weight in own.values()}
        self.halves = {
            weight: nn.Parameter(weight.detach().to(torch.bfloat16), requires_grad=weight.requires_grad)
            for weight in sorted(weights, key=id)
        }
        self.on = False
        before = [layer.register_forward_pre_hook(self._put) for layer in layers]
        after = [layer.register_forward_hook(self._take_back, always_call=True) for layer in layers]
        try:
            yield
        finally:
            for handle in (*before, *after):
                handle.remove()
            self.halves, self.own = {}, {}

    @contextmanager
    def step(self) -> Iterator[None]:
        """Uses the leaves, which are the weights as they are now, for a forward and a backward pass."""
        if self.halves:
            with torch.no_grad():
                _foreach_copy_(list(self.halves.values()), list(self.halves))
        self.on = True
        try:
            yield
        finally:
            self.on = False
        self._collect()

    @torch.no_grad()
    def _collect(self) -> None:
        found = {weight: half.grad for weight, half in self.halves.items() if half.grad is not None}
        if found:
            wide = [torch.empty_like(weight) for weight in found]
            _foreach_copy_(wide, list(found.values()))
            for weight, gradient in zip(found, wide, strict=True):
                # a weight that was read in float32 as well has the gradient of that
                weight.grad = gradient if weight.grad is None else weight.grad + gradient
        for half in self.halves.values():
            half.grad = None

    def _put(self, layer: nn.Module, _: Any) -> None:
        if self.on:
            layer._parameters.update({name: self.halves[weight] for name, weight in self.own[layer].items()})

    def _take_back(self, layer: nn.Module, *_: Any) -> None:
        if self.on:
            layer._parameters.update(self.own[layer])


def _single(layer: nn.Module) -> dict[str, nn.Parameter]:
    return {name: each for name, each in layer.named_parameters(recurse=False) if each.dtype == torch.float32}
