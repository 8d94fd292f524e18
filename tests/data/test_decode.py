"""Bytes to plain text: what the parser sees is what was there, whatever the chunks were."""

import gzip
from pathlib import Path

import pytest

from data import decode as module
from data.decode import PlainText, decode
from data.errors import DataRefused


def plain(tmp_path: Path, data: bytes, encoding: str = "utf-8") -> tuple[PlainText, bytes]:
    (tmp_path / "in").write_bytes(data)
    text = decode(tmp_path / "in", tmp_path / "out", encoding, "in.csv")  # type: ignore[arg-type]
    return text, (tmp_path / "out").read_bytes()


@pytest.mark.parametrize(
    ("data", "n_lines", "first", "terminated"),
    [
        (b"", 0, "", True),
        (b"a", 1, "a", False),
        (b"a\n", 1, "a", True),
        (b"a\nb", 2, "a", False),
        (b"\n\n", 2, "", True),
        (b"a\r\nb\r\n", 2, "a", True),
        (b"\xef\xbb\xbfa\n", 1, "a", True),
    ],
)
def test_facts(tmp_path: Path, data: bytes, n_lines: int, first: str, terminated: bool) -> None:
    assert plain(tmp_path, data)[0] == PlainText(n_lines, first, terminated)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
@pytest.mark.parametrize("packed", [False, True])
def test_chunks_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, packed: bool) -> None:
    data = "é,ü\r\n日本\r\nx\ny".encode()
    whole = plain(tmp_path, data)
    monkeypatch.setattr(module, "_CHUNK", chunk)
    assert plain(tmp_path, gzip.compress(data) if packed else data) == whole


def test_latin_1_becomes_utf_8(tmp_path: Path) -> None:
    text, data = plain(tmp_path, "Café\nÜ\n".encode("latin-1"), "latin-1")
    assert (text.first_line, data) == ("Café", "Café\nÜ\n".encode())


def test_a_character_cut_at_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="not utf-8"):
        plain(tmp_path, "a\né".encode()[:-1])


def test_the_longest_line_is_the_same_wherever_it_stands(tmp_path: Path) -> None:
    longest = b"x" * (1 << 20)
    for number, before in enumerate((b"", b"a\n", b"a\n" + b"y" * 1000 + b"\n"), 1):
        plain(tmp_path, before + longest + b"\n")
        with pytest.raises(DataRefused, match=f"line {number} is longer than 1,048,576 bytes"):
            plain(tmp_path, before + longest + b"x\n")
