"""What the explorer answers, and what it refuses."""

from __future__ import annotations

import base64
import gc
import io
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import uvicorn
from PIL import Image
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from prioria.distributions import mean
from prioria.train import Run
from prioria.ui import application, serve, ways
from prioria.ui.guard import FORBIDDEN
from prioria.ui.guard import TOKEN as HEADER
from prioria.ui.opened import MOST_KEPT, Opened
from prioria.ui.plane import Plane
from tests.ui.conftest import TOKEN


@pytest.fixture(scope="module")
def client(runs: list[Path]) -> Iterator[TestClient]:
    with TestClient(application(runs, TOKEN), base_url="http://127.0.0.1", headers={HEADER: TOKEN}) as made:
        yield made


def test_runs_are_named_and_no_path_is_told(client: TestClient, runs: list[Path]) -> None:
    found = client.get("/api/runs")
    assert [each["name"] for each in found.json()] == ["pictures", "columns", "classes"]
    assert [each["drawer"]["kind"] for each in found.json()] == ["picture", "table", "table"]
    assert str(runs[0].parent) not in found.text


def test_the_map_shows_the_encodings(client: TestClient, runs: list[Path]) -> None:
    found = client.get("/api/1/map", params={"limit": 50}).json()
    run = Run.load(runs[1])
    z = run.model.encode(run.data.test.batch(torch.tensor(found["rows"])))
    np.testing.assert_allclose(found["points"], z.flatten(1), atol=1e-5)  # two latents are the plane
    assert len(found["labels"]) == 50


def test_the_plane_of_many_latents_is_that_of_the_largest_variance() -> None:
    z = torch.randn(500, 3) @ torch.diag(torch.tensor([0.1, 5.0, 2.0])) + 7
    plane = Plane.of(z, "z")
    spread = plane.to_plane(z).var(0)
    values = torch.linalg.eigvalsh(z.mT.cov()).flip(0)
    torch.testing.assert_close(spread, values[:2], rtol=1e-4, atol=1e-4)
    points = torch.randn(4, 2)
    torch.testing.assert_close(plane.to_plane(plane.to_latents(points)), points, rtol=1e-4, atol=1e-4)


def test_the_socket_decodes_what_the_model_decodes(client: TestClient, runs: list[Path]) -> None:
    run = Run.load(runs[1])
    z = [[0.3, -1.0], [0.0, 2.0]]
    with client.websocket_connect(f"/api/1/decode?token={TOKEN}", headers=HERE) as socket:
        socket.send_json({"id": 7, "groups": {"z": z}})
        answer = socket.receive_bytes()
        assert np.frombuffer(answer[:4], np.uint32)[0] == 7
        with torch.no_grad():
            draw = run.model.generate(2, z=torch.tensor([z]))
        expected = run.data.protocol.unscaled(mean(draw.px)[0])
        np.testing.assert_allclose(np.frombuffer(answer[4:], np.float32).reshape(2, 2), expected, atol=1e-5)
        socket.send_json({"id": 8, "groups": {"z": [[0.0] * 9]}})
        assert "rows of 2 latents" in socket.receive_json()["error"]
        socket.send_json({"id": 9, "groups": {"z": [[1e39, 0.0]]}})
        assert "not finite" in socket.receive_json()["error"]


def test_the_same_point_decodes_to_the_same_picture(client: TestClient) -> None:
    with client.websocket_connect(f"/api/0/decode?token={TOKEN}", headers=HERE) as socket:
        answers = []
        for _ in range(2):
            socket.send_json({"id": 1, "groups": {"z": [[0.1, 0.2, 0.3]]}})
            answers.append(socket.receive_bytes())
    assert answers[0] == answers[1]


def test_paths_begin_and_end_where_they_were_asked_to(client: TestClient) -> None:
    start, end = [-1.0, 0.0], [1.0, 0.5]
    found = client.post("/api/1/path", json={"start": start, "end": end, "nodes": 60, "neighbors": 5}).json()
    for way in found["ways"].values():
        np.testing.assert_allclose([way["z"][0], way["z"][-1]], [start, end], atol=1e-5)
    straight = np.array(found["ways"]["straight"]["z"])
    np.testing.assert_allclose(straight, np.linspace(start, end, len(straight)), atol=1e-5)
    assert len(found["nodes"]) == 60


def test_a_path_is_saved_as_an_animation(client: TestClient) -> None:
    asked = {"start": [0.0, 0.0], "end": [1.0, 1.0], "nodes": 40, "neighbors": 5, "way": "straight"}
    gif = base64.b64decode(client.post("/api/0/animation", json=asked).json()["gif"])
    assert Image.open(io.BytesIO(gif)).format == "GIF"


def test_another_prior_is_refitted_and_drawn(client: TestClient) -> None:
    assert client.get("/api/1/density", params={"refitted": "true"}).status_code == 400
    before = client.get("/api/1/density").json()
    answer = client.post("/api/1/refit", json={"prior": "mixture", "steps": 300}).json()
    assert answer["after"]["log_prior"] > answer["before"]["log_prior"]
    after = client.get("/api/1/density", params={"refitted": "true"}).json()
    assert after["log_p"] != before["log_p"] and after["log_q"] == pytest.approx(before["log_q"])


def test_density_of_the_standard_prior_is_its_own(client: TestClient) -> None:
    found = client.get("/api/1/density").json()
    x, y = np.meshgrid(found["x"], found["y"])
    expected = -0.5 * (x**2 + y**2) - np.log(2 * np.pi)
    np.testing.assert_allclose(np.reshape(found["log_p"], x.shape), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/9/map", "there is no run 9"),
        ("/api/0/row?row=99999", "rows 0 to"),
        ("/api/0/row", "row"),
        ("/api/0/map?limit=many", "many"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(client: TestClient, path: str, said: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404) and said in answer.json()["error"]


HERE = {"host": "127.0.0.1"}  # the client calls itself another name in sockets
STRANGE = [{HEADER: "wrong"}, {HEADER: ""}, {"origin": "http://evil.example"}, {"host": "evil.example"}]


@pytest.mark.parametrize("headers", STRANGE)
def test_strangers_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/api/runs", "/api/0/map", "/"):
        assert client.get(path, headers=headers).status_code == 403
    assert client.get("/../../etc/passwd").status_code == 404


def test_a_socket_of_another_page_is_refused(client: TestClient) -> None:
    for query, headers in (("token=wrong", {HEADER: ""}), (f"token={TOKEN}", {"origin": "http://evil.example"})):
        with pytest.raises(WebSocketDisconnect) as refused:
            client.websocket_connect(f"/api/0/decode?{query}", headers=HERE | headers).__enter__()
        assert refused.value.code == FORBIDDEN


def test_a_run_that_is_being_written_does_not_break_the_others(runs: list[Path], tmp_path: Path) -> None:
    young = tmp_path / "young"
    shutil.copytree(runs[1], young)
    shutil.rmtree(young / "best")
    lines = (young / "metrics.jsonl").read_text()
    (young / "metrics.jsonl").write_text(lines + '{"step": 99, "lo')
    made = application([young, runs[1]], TOKEN)
    with TestClient(made, base_url="http://127.0.0.1", headers={HEADER: TOKEN}) as client:
        first, second = client.get("/api/runs").json()
        assert "no best weights" in first["error"] and "error" not in second
        assert len(client.get("/api/0/curves").json()["lines"]) == len(lines.splitlines())
        shutil.copytree(runs[1] / "best", young / "best")
        assert "error" not in client.get("/api/runs").json()[0]


def test_weights_that_are_cut_short_are_said_and_do_not_break_the_others(runs: list[Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(runs[1], cut)
    weights = cut / "best" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with TestClient(application([cut, runs[1]], TOKEN), base_url="http://127.0.0.1", headers={HEADER: TOKEN}) as client:
        first, second = client.get("/api/runs").json()
        assert "model.safetensors" in first["error"] and "\n" not in first["error"] and "error" not in second
        assert client.get("/api/0/map").status_code == 400 and client.get("/api/1/map").status_code == 200
        assert client.get("/api/0/curves").json()["lines"]


def test_what_many_tabs_ask_for_is_kept_once_and_not_for_ever(runs: list[Path]) -> None:
    opened = Opened(runs[1])
    for _ in range(20):  # tabs
        opened.map()
        opened.density()
        opened.latents()
        ways.path(opened, start=[0.0, 0.0], end=[1.0, 1.0], nodes=30, neighbors=3)
    few = len(opened._kept)
    assert few < 12
    for nodes in range(20, 20 + 2 * MOST_KEPT):  # each a graph of its own
        ways.path(opened, start=[0.0, 0.0], end=[1.0, 1.0], nodes=nodes, neighbors=3)
    assert len(opened._kept) == MOST_KEPT


def test_a_tab_that_is_closed_leaves_no_socket(runs: list[Path]) -> None:
    made = application(runs, TOKEN)
    with TestClient(made, base_url="http://127.0.0.1", headers={HEADER: TOKEN}) as client:
        threads = threading.active_count()
        for _ in range(20):
            with client.websocket_connect(f"/api/1/decode?token={TOKEN}", headers=HERE) as socket:
                socket.send_json({"id": 1, "groups": {"z": [[0.0, 0.0]]}})
                socket.receive_bytes()
        gc.collect()
        assert not [each for each in gc.get_objects() if type(each) is WebSocket]
        assert threading.active_count() <= threads + 2


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no run"):
        application([tmp_path], TOKEN)


def test_the_address_answers_from_the_moment_that_it_is_printed(runs: list[Path], capsys, monkeypatch) -> None:
    reached = []

    def starting(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        """The server before it has started: who comes now must wait, not be turned away."""
        port = int(re.search(r"http://127.0.0.1:(\d+)/\?token=", capsys.readouterr().out)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as found:
            reached.append(found.getpeername() == sockets[0].getsockname())

    monkeypatch.setattr(uvicorn.Server, "run", starting)
    serve(runs)
    assert reached == [True]


def test_nothing_outside_the_package_is_in_what_is_served() -> None:
    from prioria.ui.routes import _static

    for content, _ in _static().values():
        assert b"http://" not in content.replace(b"http://www.w3.org/2000/svg", b"") and b"https://" not in content


def test_numbers_that_are_not_finite_become_null(client: TestClient) -> None:
    from prioria.ui.routes import _json

    assert json.loads(bytes(_json({"a": [float("nan"), 1.0]}).body)) == {"a": [None, 1.0]}


def test_columns_have_their_names_and_holes_do_not_hide_their_range(tmp_path: Path) -> None:
    import pandas as pd

    from prioria.data import load
    from prioria.ui.rows import Drawer

    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"size": rng.normal(5, 1, 80), "sex": rng.choice(["f", "m"], 80), "weight": rng.normal(size=80)}
    )
    table.loc[::3, "size"] = np.nan
    data = load(table)
    facts = Drawer.of(data).facts()
    assert facts["kind"] == "table" and facts["columns"] == ["size", "sex", "weight"]
    assert facts["levels"] == [[], ["f", "m"], []]
    sizes = data.protocol.unscaled(data.train.tensor())[:, 0]
    known = sizes[sizes.isfinite()]
    assert facts["low"][0] == pytest.approx(known.min().item(), rel=1e-5)
    assert facts["high"][0] == pytest.approx(known.max().item(), rel=1e-5)
