"""A headless Chromium, steered over its own debugging protocol."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def executable() -> str | None:
    """The browser, where there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab: what it logged, and commands to it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.numbers = socket, itertools.count(1)
        self.errors: list[str] = []
        self.requested: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        found = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.errors.append(str(found["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if found["type"] == "error":
                self.errors.append(str(found["args"]))
            case "Log.entryAdded" if found["entry"]["level"] == "error":
                self.errors.append(found["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requested.append(found["request"]["url"])

    def open(self, address: str) -> None:
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """What a script returns, promises awaited."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 60.0) -> Any:
        """The first true value of a script."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.run(script):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{script} stayed false; {self.run('document.body.innerText')}; {self.errors}")

    def mouse(self, kind: str, x: float, y: float) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


@contextmanager
def page(width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Starts a browser of its own and gives its tab."""
    found = executable()
    assert found is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [found, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _port(Path(profile) / "DevToolsActivePort")
            import urllib.request

            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                tab = next(each for each in json.load(answer) if each["type"] == "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
                made = Page(socket)
                made.send(
                    "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
                )
                made.send("Emulation.setFocusEmulationEnabled", enabled=True)
                yield made
        finally:
            process.kill()
            process.wait()


def _port(file: Path) -> int:
    for _ in range(600):
        if file.exists() and file.read_text():
            return int(file.read_text().splitlines()[0])
        time.sleep(0.1)
    raise AssertionError("the browser did not start")
