"""What travels with a model: a folder of its files and a card that says what is known of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prioria.data import Protocol
from prioria.data.base import OWN
from prioria.model import VAE
from prioria.report.evaluation import FILE, Evaluation
from prioria.report.templates import render
from prioria.storage import FORMAT, write_sealed, write_text

CARD = "README.md"


def write(
    model: VAE, folder: Path, evaluation: Evaluation | None, *, front: str = "", place: str = "model.zip"
) -> list[Path]:
    """Writes weights, architecture, treatment of rows, evaluation and card into a folder; no data and no place of it.

    Args:
        model: to share.
        folder: need not exist.
        evaluation: None where nothing was measured.
        front: YAML that the card begins with.
        place: where the model will be, for the commands of the card.

    Raises:
        ValueError: the model came from no data set, so that nothing would say how rows are treated.
    """
    protocol = model.protocol
    if protocol is None:
        raise ValueError("model: it came from no data set, and nothing says how its rows are treated; train it on one")
    try:
        model.protocol = _without_places(protocol)
        model.save(folder)
    finally:
        model.protocol = protocol
    if evaluation is not None:
        write_sealed(folder / FILE, {"format": FORMAT} | evaluation.to_json())
    write_text(folder / CARD, card(model, evaluation, front=front, place=place))
    return sorted(folder.iterdir())


def card(model: VAE, evaluation: Evaluation | None, *, front: str = "", place: str = "model.zip") -> str:
    """Returns what a person should know of a model, in Markdown.

    Example:
        >>> import prioria
        >>> text = card(prioria.build.model("two-moons", latents=2, seed=0), None)
        >>> text.splitlines()[0]
        '# two-moons'
    """
    assert model.protocol is not None
    protocol = _without_places(model.protocol)
    columns = [] if protocol.schema is None else [column.name for column in protocol.schema.features]
    stages = {name: type(stage.p).__name__ for name, stage in model.stages.items()}
    return render(
        "card.md",
        front=front,
        place=place,
        protocol=protocol,
        columns=columns,
        stages=stages,
        likelihood=type(model.likelihood).__name__,
        evaluation=evaluation,
    )


def _without_places(protocol: Protocol) -> Protocol:
    """The protocol without folders of this machine, which are nobody's business."""
    return replace(protocol, title=Path(protocol.title).name) if protocol.source == OWN else protocol
