"""A model to the Hub and back, against a server on this machine that answers as the Hub does."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
import yaml

import prioria
from prioria import packing
from prioria.cli import main
from prioria.report import card, evaluation, push_to_hub
from tests.commands.test_commands import SMALL, call
from tests.travel.test_travel import refused

NAME = "anna/digits"
SHA = "0" * 40


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


class _Hub(BaseHTTPRequestHandler):
    """The few requests that an upload and a download make; what is committed is kept as bytes by name."""

    files: dict[str, bytes]
    created: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/api/repos/create":
            self.created.append(json.loads(body))
            return self._answer({"url": f"http://{self.headers['host']}/{NAME}", "name": NAME})
        if self.path == "/api/validate-yaml":
            yaml.safe_load(json.loads(body)["content"].split("---")[1])
            return self._answer({"errors": [], "warnings": []})
        if self.path == f"/api/models/{NAME}/preupload/main":
            paths = [each["path"] for each in json.loads(body)["files"]]
            return self._answer({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]})
        if self.path.startswith(f"/api/models/{NAME}/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self._answer(
                {"commitUrl": f"http://{self.headers['host']}/{NAME}/commit/{SHA}", "commitOid": SHA, "success": True}
            )
        return self._answer({"error": self.path}, 404)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == f"/api/models/{NAME}/revision/main":
            siblings = [{"rfilename": name} for name in self.files]
            return self._answer({"id": NAME, "sha": SHA, "siblings": siblings, "private": False, "tags": []})
        if path == f"/api/models/{NAME}/tree/{SHA}":
            files = self.files.items()
            return self._answer([{"type": "file", "path": n, "size": len(c), "oid": _oid(c)} for n, c in files])
        before = f"/{NAME}/resolve/{SHA}/"
        if not path.startswith(before) or path.removeprefix(before) not in self.files:
            return self._answer({"error": "Repository not found"}, 404)
        content = self.files[path.removeprefix(before)]
        return self._send(
            content, {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": SHA, "content-type": "application/octet-stream"}
        )

    do_HEAD = do_GET

    def _answer(self, value: Any, status: int = 200) -> None:
        missing = {"X-Error-Code": "RepoNotFound"} if status == 404 else {}
        self._send(json.dumps(value).encode(), {"content-type": "application/json"} | missing, status)

    def _send(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is said on standard error."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Hub]]:
    handler = type("Hub", (_Hub,), {"files": {}, "created": []})
    served = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{served.server_port}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    yield handler
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "run"
    call("train", "digits", *SMALL, "--out", folder)
    call("evaluate", folder, "--num-samples", 20, "--limit", 30)
    return folder


def test_a_model_goes_to_the_hub_and_comes_back(run: Path, server: type[_Hub], capsys) -> None:
    call("pack", run, "--out", f"hf://{NAME}")
    assert f"/{NAME}" in capsys.readouterr().out
    assert server.created[0]["name"] == "digits" and set(server.files) == set(packing.NAMES)
    found, kept = prioria.load(f"hf://{NAME}"), prioria.load(run)
    x = torch.bernoulli(torch.full((9, 64), 0.5))
    assert torch.equal(found.encode(x), kept.encode(x)) and found.protocol == kept.protocol
    server.files.clear()  # what was downloaded is at hand without the Hub's files
    assert torch.equal(prioria.load(f"hf://{NAME}").encode(x), kept.encode(x))


def test_commands_read_a_model_from_the_hub(run: Path, server: type[_Hub], tmp_path: Path) -> None:
    assert prioria.load(run).push_to_hub(NAME, private=True).endswith(NAME)
    asked = server.created[0]
    assert asked.get("visibility") == "private" or asked.get("private") is True
    assert "evaluation.json" not in server.files
    call("sample", f"hf://{NAME}", "--num-samples", 3, "--out", tmp_path / "x.npz")
    call("sample", run, "--num-samples", 3, "--out", tmp_path / "y.npz")
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_the_card_says_how_the_number_was_obtained(run: Path, server: type[_Hub]) -> None:
    found = evaluation.read(run)
    push_to_hub(run, NAME)
    text = server.files["README.md"].decode()
    front = yaml.safe_load(text.split("---")[1])
    result = front["model-index"][0]["results"][0]
    assert front["library_name"] == "prioria" and result["dataset"]["split"] == "test"
    assert result["metrics"][0]["value"] == pytest.approx(found.log_likelihood.value)
    assert found.estimator in result["metrics"][0]["name"]
    assert found.baselines is not None
    for said in (found.estimator, "20 samples", "test split of digits, 30 rows", found.baselines.models[0].name):
        assert said in text
    assert huggingface_hub.ModelCard(text).data.library_name == "prioria"


def test_a_folder_of_the_same_files_is_a_model(run: Path, tmp_path: Path) -> None:
    model = prioria.load(run)
    card.write(model, tmp_path / "folder", evaluation.read(run), place="folder")
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == sorted(packing.NAMES)
    x = torch.zeros(2, 64)
    assert torch.equal(prioria.load(tmp_path / "folder").encode(x), model.encode(x))


@pytest.mark.parametrize("name", ["hf://anna/nothing", "hf://no/such/name"])
def test_what_the_hub_has_not_is_one_line(server: type[_Hub], name: str, capsys) -> None:
    assert f"{name}: the Hub does not give or take it" in refused(capsys, "sample", name, "--out", "x.npz")


def test_a_damaged_model_of_the_hub_is_refused(run: Path, server: type[_Hub], capsys) -> None:
    prioria.load(run).push_to_hub(NAME)
    weights = bytearray(server.files["model.safetensors"])
    weights[-3] ^= 1
    server.files["model.safetensors"] = bytes(weights)
    with pytest.raises(SystemExit):
        main(["sample", f"hf://{NAME}", "--out", "x.npz"])
    assert "its digest is another" in capsys.readouterr().err.splitlines()[-1]  # after the bar of the download
