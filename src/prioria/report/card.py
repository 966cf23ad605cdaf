"""What travels with a model: a folder of its files and a card that says what is known of it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from prioria import hub
from prioria.data import Protocol
from prioria.data.base import OWN
from prioria.model import VAE
from prioria.report.evaluation import FILE, Evaluation
from prioria.report.subject import Subject
from prioria.report.templates import render
from prioria.storage import FORMAT, write_sealed, write_text
from prioria.train import Run

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


def push_to_hub(run: Subject | Run | str | Path, name: str, **options: Any) -> str:
    """Uploads a run's model to the Hugging Face Hub, its card filled from its evaluation; returns the address.

    Args:
        run: a run that was written to a folder.
        name: user/name there, with or without hf:// before it.
        **options: of :func:`prioria.hub.upload`.

    Raises:
        ValueError: there is no run, huggingface_hub is missing, or the Hub refuses.
    """
    found, name = run if isinstance(run, Subject) else Subject.of(run), hub.name_of(name) or name
    hub.check_package()
    with tempfile.TemporaryDirectory(prefix="prioria-") as made:
        model, evaluation = found.run.model, found.evaluation
        write(model, Path(made), evaluation, front=_front(name, model, evaluation), place=f"hf://{name}")
        return hub.upload(Path(made), name, **options)


def _front(name: str, model: VAE, evaluation: Evaluation | None) -> str:
    """The card's front matter, by which the Hub files it."""
    from huggingface_hub import EvalResult, ModelCardData

    results = None
    if evaluation is not None:
        results = [
            EvalResult(
                task_type="density-estimation",
                dataset_type=evaluation.data,
                dataset_name=evaluation.data,
                dataset_split=evaluation.split,
                metric_type="log_likelihood",
                metric_name=f"log-likelihood in nats, {evaluation.estimator}",
                metric_value=evaluation.log_likelihood.value,
            )
        ]
    tags = ["variational-autoencoder", type(model.likelihood).__name__.lower()]
    data = ModelCardData(library_name="prioria", tags=tags, model_name=name, eval_results=results)
    return data.to_yaml()
