"""The command that takes a model out of prioria."""

from __future__ import annotations

from pathlib import Path

from prioria.commands.sample import RunFolder
from prioria.export import export as export_model
from prioria.train import Run

CHECKED = 16  # rows on which the files are compared with the model


def export(run: RunFolder, *, out: Path, onnx: bool = True) -> None:
    """Write encoder and decoder as .pt2 (torch.export) and .onnx, checked against the model.

    Args:
        out: folder for the four files.
        onnx: write ONNX too; it needs the extra onnx.
    """
    opened = Run.load(run)
    paths = export_model(opened.model, opened.data.test.tensor(CHECKED), out, onnx=onnx)
    print("Written, and equal to the model to 1e-5: " + ", ".join(str(path) for path in paths))
