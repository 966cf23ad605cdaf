"""What the explorer answers: JSON for pages, one socket for pictures under the pointer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from prioria.train import Run
from prioria.ui import ways
from prioria.ui.guard import Guard
from prioria.ui.opened import Opened
from prioria.ui.source import curves

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
Answer = Callable[[Opened, dict[str, Any]], Any]


def application(runs: Sequence[Path | Run], token: str, data: str | None = None) -> Starlette:
    """Returns the explorer of some runs as an ASGI application.

    Args:
        runs: runs, their folders or models; a browser names one by its number, never by a path.
        token: what every request must carry.
        data: where the data of the runs lies now, or rows for a model alone.

    Raises:
        ValueError: no run, or a place that holds neither run nor model.
    """
    if not runs:
        raise ValueError("runs=[] leaves nothing to explore; name at least one run folder")
    opened = [Opened(place, data) for place in runs]
    files = _static()
    routes = [
        Route("/api/runs", partial(_runs, opened)),
        *(Route(f"/api/{{run:int}}/{name}", partial(_answer, opened, answer)) for name, answer in ANSWERS.items()),
        *(
            Route(f"/api/{{run:int}}/{name}", partial(_answer, opened, answer), methods=["POST"])
            for name, answer in CHANGES.items()
        ),
        WebSocketRoute("/api/{run:int}/decode", partial(_decode, opened)),
        *(Route(path, partial(_file, *content)) for path, content in files.items()),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token, open_paths=set(files) - {"/"})])


async def _runs(opened: Sequence[Opened], request: Request) -> Response:
    return _json(await to_thread.run_sync(lambda: [each.facts() for each in opened]))


async def _answer(opened: Sequence[Opened], answer: Answer, request: Request) -> Response:
    number = request.path_params["run"]
    if not 0 <= number < len(opened):
        return _json({"error": f"there is no run {number}"}, 404)
    asked: dict[str, Any] = dict(request.query_params)
    try:
        if request.method == "POST":
            asked |= await request.json()
        return _json(await to_thread.run_sync(answer, opened[number], asked))
    except (ValueError, TypeError, LookupError, OSError) as error:  # what was asked cannot be answered: say why
        return _json({"error": str(error)}, 400)


async def _decode(opened: Sequence[Opened], socket: WebSocket) -> None:
    """Answers points z (n, L) with what they decode to: the number of the request, then the values as bytes."""
    await socket.accept()
    number = socket.path_params["run"]
    if not 0 <= number < len(opened):
        return await socket.close(reason=f"there is no run {number}")
    try:
        while True:
            asked = await socket.receive_json()
            try:
                values = await to_thread.run_sync(_decoded, opened[number], asked)
            except (ValueError, TypeError, LookupError, OSError) as error:
                await socket.send_json({"id": asked.get("id"), "error": str(error)})
                continue
            await socket.send_bytes(np.uint32(asked["id"]).tobytes() + values)
    except (WebSocketDisconnect, json.JSONDecodeError):  # the page is gone, or is not ours
        return None


def _decoded(opened: Opened, asked: dict[str, Any]) -> bytes:
    return opened.decoded(**{name: value for name, value in asked.items() if name != "id"}).tobytes()


def _limit(asked: dict[str, Any]) -> int:
    return int(asked.get("limit", 2000))


def _number(asked: dict[str, Any]) -> int | None:
    return int(asked["number"]) if asked.get("number") else None


ANSWERS: dict[str, Answer] = {
    "map": lambda opened, asked: opened.map(_limit(asked), _number(asked)),
    "column": lambda opened, asked: opened.column(int(asked["column"]), _limit(asked)),
    "scores": lambda opened, asked: opened.scores(_limit(asked)),
    "row": lambda opened, asked: opened.row(int(asked["row"])),
    "latents": lambda opened, asked: opened.latents(),
    "density": lambda opened, asked: opened.density(asked.get("refitted") == "true", _number(asked)),
    "curves": lambda opened, asked: {"lines": curves(opened.folder)},
}
CHANGES: dict[str, Answer] = {  # they change nothing on disk: POST because points and options do not fit an address
    "path": lambda opened, asked: ways.path(opened, **asked),
    "animation": lambda opened, asked: ways.animation(opened, **asked),
    "below": lambda opened, asked: opened.resampled(**asked),
    "refit": lambda opened, asked: opened.refit(**asked),
}


def _static() -> dict[str, tuple[bytes, str]]:
    """Everything that the page is made of, read once: no path that a browser sends is ever opened."""
    folder = resources.files("prioria.ui") / "static"
    files = {f"/{file.name}": (file.read_bytes(), TYPES[Path(file.name).suffix]) for file in folder.iterdir()}
    return files | {"/": files.pop("/index.html")}


async def _file(content: bytes, kind: str, request: Request) -> Response:
    return Response(content, media_type=kind)


def _json(value: Any, status: int = 200) -> Response:
    return JSONResponse(_finite(value), status)


def _finite(value: Any) -> Any:
    """JSON has no infinity: what is not finite becomes null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value
