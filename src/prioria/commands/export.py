"""The command that takes a model out of prioria."""

from __future__ import annotations

from pathlib import Path

import torch

from prioria.commands.opened import ModelPlace, Opened
from prioria.export import check_folder
from prioria.export import export as export_model
from prioria.stage import check_decided
from prioria.storage import read_json

CHECKED = 16  # rows on which the files are compared with the model


def export(model: ModelPlace, /, *, out: Path, onnx: bool = True) -> None:
    """Write encoder, decoder and sampler as .pt2 (torch.export) and .onnx, checked against the model.

    Rows go in and come out in the units of the data. export.json says what all inputs and outputs are.

    Args:
        out: folder for the files.
        onnx: write ONNX too; it needs the extra onnx.
    """
    check_folder(out)
    opened = Opened.of(model)
    check_decided(opened.model.stages)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = opened.model.sample(CHECKED)  # rows of the data may be elsewhere
    *paths, card = export_model(opened.model, x, out, onnx=onnx)
    print("Written, and equal to the model to 1e-5: " + ", ".join(str(path) for path in paths))
    missing = read_json(card)["no_sampler"]
    print(f"What goes in and comes out: {card}" + (f"; no sampler: {missing}" if missing else ""))
