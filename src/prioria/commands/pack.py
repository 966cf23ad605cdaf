"""The command that makes one file of a model, or puts it on the Hub."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria import hub, packing
from prioria.atomic import check_place
from prioria.commands.opened import ModelPlace, Opened
from prioria.report import card, push_to_hub
from prioria.report.subject import Subject


def pack(
    model: ModelPlace,
    /,
    *,
    out: Annotated[Path, Parameter(help="The .zip file to write, or hf://user/name.")] = Path("model.zip"),
) -> None:
    """Make one file of a model: weights, architecture, treatment of rows, evaluation and a card; no data.

    sample, encode, score, impute, export, evaluate, ui and prioria.load take it in place of the run, on any machine.
    With --out hf://user/name it goes to the Hugging Face Hub (extra hub; log in by hf auth login).
    """
    name = hub.name_of(out)
    if name is None and out.suffix.lower() != ".zip":
        raise ValueError(f"--out {out} must end in .zip, as in --out model.zip, or be hf://user/name")
    if name is None:
        check_place(out)
    opened = Opened.of(model)
    if name is not None:
        print(f"Uploaded: {push_to_hub(opened.run, name) if opened.run else opened.model.push_to_hub(name)}")
        return
    evaluation = None if opened.run is None else Subject.of(opened.run).evaluation
    with tempfile.TemporaryDirectory(prefix="prioria-") as made:
        card.write(opened.model, Path(made), evaluation, place=out.name)
        packing.pack(packing.gather(Path(made)), out)
    without = "" if evaluation is not None else "; it was not evaluated: prioria evaluate RUN comes first"
    print(f"Packed: {out} ({out.stat().st_size:,} bytes{without})")
    print(f"Next: prioria sample {shlex.quote(str(out))} --out samples.npz")
