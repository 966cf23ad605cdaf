"""The explorer in a browser."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria.commands.opened import DataPlace


def explorer(
    runs: Annotated[list[Path], Parameter(help="Folders of runs, or models alone: model.zip or hf://user/name.")],
    /,
    *,
    port: int = 0,
    browser: bool = False,
    data: DataPlace = None,
) -> None:
    """Explore runs in a browser: the map of encodings, sliders, paths, prior against posterior, curves, strange rows.

    It answers on this machine only, at an address with a secret that it prints. Runs may still be training. Where their
    data is gone, and of a model alone, rows that the model draws are shown.

    Args:
        port: of the address; a free one by default.
        browser: open the address in the browser.
    """
    if not 0 <= port < 65536:
        raise ValueError(f"--port {port} must be between 1 and 65535, or left out to take a free one")
    missing = [name for name in ("starlette", "uvicorn", "websockets") if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"the explorer needs {' and '.join(missing)}; pip install 'prioria[ui]'")
    from prioria.ui import serve

    serve(runs, port=port, browser=browser, data=data)
