"""The command that takes a model out of prioria."""

from __future__ import annotations

from pathlib import Path

import torch

from prioria.commands.opened import ModelPlace, Opened
from prioria.export import export as export_model
from prioria.stage import check_decided

CHECKED = 16  # rows on which the files are compared with the model


def export(model: ModelPlace, /, *, out: Path, onnx: bool = True) -> None:
    """Write encoder and decoder as .pt2 (torch.export) and .onnx, checked against the model.

    Args:
        out: folder for the four files.
        onnx: write ONNX too; it needs the extra onnx.
    """
    opened = Opened.of(model)
    check_decided(opened.model.stages)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = opened.model.sample(CHECKED)  # rows of the data may be elsewhere
    paths = export_model(opened.model, x, out, onnx=onnx)
    print("Written, and equal to the model to 1e-5: " + ", ".join(str(path) for path in paths))
