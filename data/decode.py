"""The bytes of a rating file, checked and turned into plain UTF-8 text with \\n line ends, before any parser sees them.

DuckDB's reader accepts a gz with a wrong checksum, reads UTF-16 as nothing and stops at mixed line ends.
Here each of these is either made plain or refused by name.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from data.errors import DataRefused

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 20  # no rating is longer; a line within a chunk cannot be
_WRONG_ENCODINGS = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))


@dataclass(frozen=True)
class PlainText:
    """What the bytes were: lines counted, the first one kept, and whether the last line ended."""

    n_lines: int
    first_line: str
    terminated: bool


def decode(source: Path, target: Path, encoding: Literal["utf-8", "latin-1"], name: str) -> PlainText:
    """Write `source` to `target` as UTF-8 without BOM, gz unpacked, CRLF as \\n; the rest of each line verbatim.

    name    what the file is called in messages
    Raises DataRefused for a damaged gz, another encoding, NUL bytes, lone carriage returns and endless lines.
    """
    with source.open("rb") as raw, target.open("wb") as plain:
        try:
            return _copy(_chunks(raw), plain, encoding)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _refused(name, f"the gz is damaged ({error})", "Have it sent again") from None
        except UnicodeDecodeError as error:
            raise _refused(
                name, f"the text is not {encoding} ({error.reason})", "Set source.encoding or convert the file"
            ) from None
        except _NotPlain as error:
            raise _refused(name, str(error), "Convert the file") from None


class _NotPlain(Exception):
    pass


def _chunks(raw: BinaryIO) -> Iterator[bytes]:
    magic = raw.read(2)
    raw.seek(0)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if magic == GZIP_MAGIC else raw
    while chunk := stream.read(_CHUNK):
        yield chunk


def _copy(chunks: Iterator[bytes], plain: BinaryIO, encoding: Literal["utf-8", "latin-1"]) -> PlainText:
    decoder = codecs.getincrementaldecoder(encoding)()
    n_lines, head, last, pending_return = 0, b"", b"", b""
    since_newline = 0
    for number, chunk in enumerate(chunks):
        unmarked = _without_mark(chunk) if number == 0 else chunk
        text = decoder.decode(unmarked)
        data = pending_return + (unmarked if encoding == "utf-8" else text.encode())
        pending_return = b"\r" if data.endswith(b"\r") else b""
        data = _plain(data.removesuffix(b"\r"))
        first_newline = data.find(b"\n")
        if since_newline + (first_newline if first_newline >= 0 else len(data)) > _LONGEST_LINE:
            raise _NotPlain(f"line {n_lines + 1} is longer than {_LONGEST_LINE:,} bytes")
        since_newline = len(data) - data.rfind(b"\n") - 1 if first_newline >= 0 else since_newline + len(data)
        n_lines += data.count(b"\n")
        head = head if b"\n" in head else head + data
        last = data[-1:] or last
        plain.write(data)
    decoder.decode(b"", final=True)
    if pending_return:
        raise _NotPlain("it ends in a lone carriage return")
    terminated = last in (b"", b"\n")
    return PlainText(n_lines + (not terminated), head.split(b"\n", 1)[0].decode(), terminated)


def _without_mark(chunk: bytes) -> bytes:
    for mark, encoding in _WRONG_ENCODINGS:
        if chunk.startswith(mark):
            raise _NotPlain(f"it is {encoding}, not the declared encoding")
    return chunk.removeprefix(codecs.BOM_UTF8)


def _plain(data: bytes) -> bytes:
    if b"\0" in data:
        raise _NotPlain("it has NUL bytes; it may be UTF-16 or binary")
    data = data.replace(b"\r\n", b"\n")
    if b"\r" in data:
        raise _NotPlain("it has a carriage return within a line")
    return data


def _refused(name: str, fault: str, remedy: str) -> DataRefused:
    return DataRefused(f"{name}: {fault}. Nothing of this file was loaded. {remedy}, then ingest again.")
