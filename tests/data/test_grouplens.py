"""Fetching a data set, from a server of our own that holds a small one in the same dress."""

import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from data import grouplens
from data.errors import MachineError, UsageError
from data.settings import Settings
from tests.nights import overnight

RATINGS = "".join(
    f"{user}\t{item}\t{1 + (user + item) % 5}\t881250949\n" for user in range(1, 9) for item in range(1, 9)
)
ITEMS = "".join(f"{item}|Film {item} é (1990)|01-Jan-1990||http|0|1\n" for item in range(1, 9))


def archive(*extra: str) -> bytes:
    """An ml-100k.zip with a handful of ratings."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        packed.writestr("ml-100k/", "")
        packed.writestr("ml-100k/u.data", RATINGS)
        packed.writestr("ml-100k/u.item", ITEMS.encode("latin-1"))
        for name in extra:
            packed.writestr(name, "x")
    return target.getvalue()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not talk."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server of the folder tmp_path/web, on loopback."""
    (tmp_path / "web").mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def offer(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve an archive whose checksum is the published one."""
    (tmp_path / "web/ml-100k.zip").write_bytes(content)
    known = replace(grouplens.DATA_SETS["ml-100k"], md5=hashlib.md5(content, usedforsecurity=False).hexdigest())
    monkeypatch.setitem(grouplens.DATA_SETS, "ml-100k", known)


def test_what_was_fetched_can_be_ingested_as_it_is(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(tmp_path, archive(), monkeypatch)
    heard: list[tuple[int, int]] = []
    folder = grouplens.fetch("ml-100k", tmp_path / "to", lambda done, total: heard.append((done, total)), address)
    assert heard[-1][0] == heard[-1][1] == len(archive())
    answer = overnight("ingest", "--config", folder / "overnight.toml", "--home", tmp_path / "home", "--json")
    assert answer.code == 0, answer.err
    assert overnight("status", "--home", tmp_path / "home", "--json").json["ledger"]["n_loaded"] == 64


def test_a_wrong_checksum_keeps_nothing(tmp_path: Path, address: str) -> None:
    (tmp_path / "web/ml-100k.zip").write_bytes(archive())
    with pytest.raises(MachineError, match="GroupLens published 0e33842e24a9c977be4e0107933c0723"):
        grouplens.fetch("ml-100k", tmp_path / "to", lambda *_: None, address)
    assert list((tmp_path / "to").iterdir()) == []


def test_no_file_leaves_the_folder(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, archive("../../evil.txt"), monkeypatch)
    folder = grouplens.fetch("ml-100k", tmp_path / "to", lambda *_: None, address)
    assert not (tmp_path / "evil.txt").exists()
    assert (folder / "evil.txt").exists()


def test_what_cannot_be_fetched(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="cannot be downloaded"):
        grouplens.fetch("ml-1m", tmp_path / "to", lambda *_: None, address)
    with pytest.raises(UsageError, match="there are ml-100k, ml-1m, ml-25m"):
        grouplens.fetch("ml-7", tmp_path / "to", lambda *_: None, address)
    offer(tmp_path, b"no zip", monkeypatch)
    with pytest.raises(MachineError, match="the archive is damaged"):
        grouplens.fetch("ml-100k", tmp_path / "to", lambda *_: None, address)
    (tmp_path / "to/ml-100k").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        grouplens.fetch("ml-100k", tmp_path / "to", lambda *_: None, address)


@pytest.mark.parametrize("name", grouplens.DATA_SETS)
def test_every_toml_is_a_valid_one(name: str) -> None:
    import tomllib

    Settings.model_validate(tomllib.loads(grouplens.DATA_SETS[name].toml))
