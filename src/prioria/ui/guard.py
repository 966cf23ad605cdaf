"""Who may ask: this machine's browser, from the explorer's own page, with the token that was printed."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "x-prioria-token"
OWN_NAMES = frozenset({"127.0.0.1", "localhost"})
FORBIDDEN = 4403  # the code that a refused socket closes with
HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' data: blob:; connect-src 'self' ws:; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
}


class Guard:
    """Refuses every request that another page, another name of this machine or another user could have made.

    A page elsewhere may point its name at 127.0.0.1, so the Host must be this machine's own. What it asks for across
    origins says its own Origin. And what reads a run must carry the token; the script and the style carry no secret.

    Args:
        app: what is guarded.
        token: the secret.
        open_paths: what is served without it.
    """

    def __init__(self, app: ASGIApp, token: str, open_paths: Collection[str]) -> None:
        self.app, self.token, self.open_paths = app, token, frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        reason = self._refusal(scope)
        if reason is None:
            return await self.app(scope, receive, _with_headers(send))
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": FORBIDDEN, "reason": reason})
        return await PlainTextResponse(reason, status_code=403)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if urlsplit(f"//{host}").hostname not in OWN_NAMES:
            return "the explorer answers under 127.0.0.1 and localhost only"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "the explorer answers its own page only"
        given = headers.get(TOKEN) or QueryParams(scope["query_string"]).get("token", "")
        if scope["path"] not in self.open_paths and not secrets.compare_digest(given.encode(), self.token.encode()):
            return "the token is missing or wrong: open the address that prioria ui printed"
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", []) if name not in HEADERS]
            message = {**message, "headers": [*kept, *HEADERS.items()]}
        await send(message)

    return sending
