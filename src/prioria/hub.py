"""Models on the Hugging Face Hub: the files of a folder, and a card that says what is known of them."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prioria import packing

if TYPE_CHECKING:
    from prioria.model import VAE
    from prioria.report.evaluation import Evaluation


def push(
    model: VAE,
    name: str,
    *,
    evaluation: Evaluation | None = None,
    private: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Uploads weights, architecture, treatment of rows, evaluation and a card; no data. Returns the address.

    Args:
        model: to share.
        name: user/name on the Hub, with or without hf:// before it.
        evaluation: what was measured of it, which fills the card: ``prioria.report.evaluation.read(RUN)``.
        private: whether only its owner sees a repository that is new.
        token: of the user; by default that of ``hf auth login``.
        endpoint: address of the Hub; by default HF_ENDPOINT, or huggingface.co.

    Raises:
        ValueError: huggingface_hub is missing, or the Hub refuses.
    """
    from prioria.report import card

    api, name = _api(endpoint, token), packing.hub_name(name) or name
    with tempfile.TemporaryDirectory(prefix="prioria-") as made:
        folder = Path(made)
        card.write(model, folder, evaluation, front=_front(name, model, evaluation), place=f"hf://{name}")
        with _refusals(name):
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=name, folder_path=folder, allow_patterns=[*packing.NAMES], commit_message="Model by prioria"
            )
    return f"{api.endpoint}/{name}"


def download(name: str, *, token: str | None = None, endpoint: str | None = None) -> Path:
    """Downloads the files of a model, where they are not there yet, and returns their folder in the Hub's own cache.

    Args:
        name: user/name.
        token: as for :func:`push`.
        endpoint: as for :func:`push`.

    Raises:
        ValueError: huggingface_hub is missing, or there is no such model.
    """
    api = _api(endpoint, token)
    with _refusals(name):
        return Path(api.snapshot_download(name, allow_patterns=[*packing.NAMES]))


def _api(endpoint: str | None, token: str | None) -> Any:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ValueError("the Hub needs huggingface_hub; pip install 'prioria[hub]'")
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint or os.environ.get("HF_ENDPOINT"), token=token, library_name="prioria")


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


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Turns what the Hub refuses into one line."""
    from httpx import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except (HTTPError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"hf://{name}: the Hub does not give or take it ({first}); check name and token") from error
