"""Serving the explorer on the loopback interface."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from prioria.train import Run
from prioria.ui.routes import application

HOST = "127.0.0.1"


def serve(runs: Sequence[Path | Run], *, port: int = 0, browser: bool = False, data: str | None = None) -> None:
    """Serves the explorer of some runs until it is interrupted, to this machine alone.

    Args:
        runs: runs, their folders, or models alone.
        port: 0 takes a free one.
        browser: open the address in the browser.
        data: where the data of the runs lies now, or rows for a model alone.

    Raises:
        ValueError: no run, or a place that holds neither run nor model.
        OSError: the port is taken.
    """
    import uvicorn

    token = secrets.token_urlsafe(24)
    app = application(runs, token, data)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, port))
        except OSError as error:
            raise OSError(f"port={port} cannot be served on ({error}); leave it out to take a free one") from error
        bound.listen()  # from here on who comes before the server is up waits, and is not turned away
        address = f"http://{HOST}:{bound.getsockname()[1]}/?token={token}"
        print(f"Explorer: {address}\nIt answers on this machine only. Stop it with Ctrl-C.", flush=True)
        if browser:
            webbrowser.open(address)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets-sansio")).run(sockets=[bound])
