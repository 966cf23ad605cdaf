"""The Hugging Face Hub: folders of the files of a model, up and down, by huggingface_hub's own two calls.

Its ``ModelHubMixin`` makes the same two, and is no base of ours. The package is an extra, while a mixin must be there
when the class is defined; it wraps the constructor to keep arguments for a config.json, which a model that is built of
modules does not have, and asks the Hub for that file; and it takes the Hub's address from the environment alone.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CARD = """---
library_name: prioria
---

# {name}

A variational autoencoder, trained with prioria. It was not evaluated: `prioria.load("hf://{name}")` opens it.
"""


def name_of(place: str | Path) -> str | None:
    """Returns user/name of hf://user/name, and None for any other place.

    Example:
        >>> name_of("hf://anna/penguins"), name_of("runs/penguins")
        ('anna/penguins', None)
    """
    match = re.fullmatch(r"hf:/{1,2}(.+)", str(place))  # a path has one slash of two
    return None if match is None else match[1]


def upload(
    folder: Path, name: str, *, private: bool = False, token: str | None = None, endpoint: str | None = None
) -> str:
    """Uploads a folder, and returns its address.

    Args:
        folder: all of it.
        name: user/name on the Hub.
        private: whether only its owner sees a repository that is new.
        token: of the user; by default that of ``hf auth login``.
        endpoint: address of the Hub; by default HF_ENDPOINT, or huggingface.co.

    Raises:
        ValueError: huggingface_hub is missing, or the Hub refuses.
    """
    api = _api(endpoint, token)
    with _refusals(name):
        api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Model by prioria")
    return f"{api.endpoint}/{name}"


def download(name: str, files: Sequence[str], *, token: str | None = None, endpoint: str | None = None) -> Path:
    """Downloads files of a model, where they are not there yet, and returns their folder in the Hub's own cache.

    Args:
        name: user/name.
        files: their names; nothing else is fetched.
        token: as for :func:`upload`.
        endpoint: as for :func:`upload`.

    Raises:
        ValueError: huggingface_hub is missing, or there is no such model.
    """
    api = _api(endpoint, token)
    with _refusals(name):
        return Path(api.snapshot_download(name, allow_patterns=list(files)))


def check_package() -> None:
    """Raises ValueError where huggingface_hub is missing."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ValueError("the Hub needs huggingface_hub; pip install 'prioria[hub]'")


def _api(endpoint: str | None, token: str | None) -> Any:
    check_package()
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint or os.environ.get("HF_ENDPOINT"), token=token, library_name="prioria")


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
