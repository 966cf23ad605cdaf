"""Fetching original files: from a server on this machine, and what happens when that fails."""

import errno
import functools
import hashlib
import http.server
import socket
import threading

import pytest

from prioria.data import DataError, catalogue, files, load
from prioria.data.files import File, checksum
from prioria.data.known.catalogue import KNOWN_SETS

CONTENT = b"pixels\r\n" * 20000
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        self.server.requests += 1


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "set.bin").write_bytes(CONTENT)
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        served.requests = 0
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        served.address = f"http://127.0.0.1:{served.server_address[1]}/set.bin"
        yield served
        served.shutdown()
        thread.join()


def test_a_missing_file_is_fetched_once_and_checked(server, tmp_path, capfd):
    file = File("toy/set.bin", SHA256, server.address)
    assert not file.at_hand(tmp_path)
    assert file.locate(tmp_path).read_bytes() == CONTENT
    assert file.locate(tmp_path) == tmp_path / "toy" / "set.bin"
    assert server.requests == 1
    assert "100%" in capfd.readouterr().err  # the progress bar


def test_a_wrong_download_is_refused_and_not_kept(server, tmp_path):
    file = File("toy/set.bin", SHA256.replace(SHA256[-4:], "0000"), server.address)
    with pytest.raises(DataError, match="damaged or not the original"):
        file.locate(tmp_path)
    assert not (tmp_path / "toy" / "set.bin").exists()


def check_message(file, root, *parts):
    with pytest.raises(DataError) as caught:
        file.locate(root)
    message = str(caught.value)
    assert all(part in message for part in (file.path, file.address, str(root / "toy"), "PRIORIA_DATA", *parts))
    assert "\n" not in message
    assert not (root / "toy").exists()


def test_absent_on_the_server_names_file_address_and_folder(server, tmp_path):
    check_message(File("toy/set.bin", SHA256, f"{server.address}.no"), tmp_path, "404")


def test_offline_names_file_address_and_folder(tmp_path):
    with socket.socket() as unused:  # bound but not listening: connections are refused
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/set.bin"
        check_message(File("toy/set.bin", SHA256, address), tmp_path)


def test_full_disk_while_fetching(tmp_path, monkeypatch):
    def full(file, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_fetch", full)
    with pytest.raises(DataError, match="No space left on device"):
        File("toy/set.bin", SHA256, "http://127.0.0.1/set.bin").locate(tmp_path)


def test_a_damaged_file_at_hand_is_refused(tmp_path):
    (tmp_path / "set.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"set\.bin is damaged"):
        File("set.bin", SHA256).locate(tmp_path)


def test_another_form_of_the_file_will_do(tmp_path):
    (tmp_path / "set.txt").write_bytes(CONTENT)
    file = File("set.bin", SHA256, instead=File("set.txt", f"sha256:{'0' * 64} {SHA256}"))
    assert file.at_hand(tmp_path)
    assert file.locate(tmp_path).name == "set.txt"


def test_checksums_of_git_and_of_text(tmp_path):
    (tmp_path / "greeting").write_bytes(b"hello\n")
    (tmp_path / "windows").write_bytes(b"hello\r\n")
    assert checksum(tmp_path / "greeting", "git") == "git:ce013625030ba8dba906f756967f9e9ca394464a"  # git's manual
    expected = f"text:{hashlib.sha256(b'hello' + bytes([10])).hexdigest()}"
    assert checksum(tmp_path / "greeting", "text") == checksum(tmp_path / "windows", "text") == expected


def test_nothing_but_generated_sets_is_at_hand_in_an_empty_root(tmp_path):
    at_hand = {entry.protocol.name for entry in catalogue(tmp_path) if entry.at_hand}
    assert at_hand == {"digits", "two-moons", "pendulum"}


@pytest.mark.parametrize("known", [known for known in KNOWN_SETS if known.files], ids=lambda known: known.protocol.name)
def test_every_set_says_what_is_missing(known, tmp_path, monkeypatch):
    def offline(file, path):
        raise ConnectionError("no network")

    monkeypatch.setattr(files, "_fetch", offline)
    with pytest.raises(DataError) as caught:
        load(known.protocol.name, root=tmp_path)
    paths = [form.path for file in known.files for form in file.forms]
    assert any(path in str(caught.value) for path in paths) and "put it into" in str(caught.value)
