"""What an unknown rating file looks like: guesses with their evidence, and the TOML that they make."""

import gzip
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.contract import split_line
from data.decode import GZIP_MAGIC, PARQUET_MAGIC
from data.errors import UsageError

_LINES_READ = 200_000
_DELIMITERS = ("::", "\t", ";", "|", ",")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}")
_NAMES = {
    "user": re.compile(r"user|customer|member|reviewer|person", re.I),
    "item": re.compile(r"item|movie|product|book|isbn|asin|song|track|business", re.I),
    "rating": re.compile(r"rating|score|stars|overall|grade", re.I),
    "timestamp": re.compile(r"time|date|_at$|^ts$", re.I),
}
_STEPS = (1.0, 0.5, 0.25, 0.1)


@dataclass(frozen=True)
class Guess:
    """One thing found out, and from what."""

    what: str
    value: str
    because: str


@dataclass(frozen=True)
class Look:
    """A file as columns of text, whatever its format."""

    settings: dict[str, Any]
    header: list[str] | None
    columns: list[list[str]]
    guesses: list[Guess]


def sniff(path: Path) -> tuple[str, list[Guess]]:
    """The TOML for a rating file, and the guesses behind it.

    Raises UsageError when the file has no three columns with ids and a numeric rating.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Nothing was written.")
    with path.open("rb") as file:
        magic = file.read(4)
    look = _look_at_parquet(path) if magic == PARQUET_MAGIC else _look_at_text(path, magic[:2] == GZIP_MAGIC)
    where = _roles(path, look)
    guesses = [*look.guesses, *(Guess(f"column {role}", str(place), why) for role, (place, why) in where.items())]
    settings = dict(look.settings)
    named = {role: look.header[place - 1] if look.header else place for role, (place, _) in where.items()}
    settings["columns"] = named
    for role in ("user", "item"):
        guesses.append(_id_type(role, look.columns[where[role][0] - 1]))
    settings["ids"] = {guess.what.split()[0]: guess.value for guess in guesses[-2:]}
    scale, why = _scale([float(text) for text in look.columns[where["rating"][0] - 1] if _NUMBER.fullmatch(text)])
    settings["scale"] = scale
    guesses.append(Guess("scale", _toml(scale), why))
    if "timestamp" in where:
        unit = _unit(look.columns[where["timestamp"][0] - 1])
        settings["timestamp_unit"] = unit.value
        guesses.append(unit)
    return _document(path, settings, guesses), guesses


def _look_at_parquet(path: Path) -> Look:
    import polars as pl

    frame = pl.scan_parquet(path).head(_LINES_READ).collect()
    columns = [frame[name].cast(pl.String).fill_null("").to_list() for name in frame.columns]
    return Look(
        {"format": "parquet"}, frame.columns, columns, [Guess("format", "parquet", "the file starts with PAR1")]
    )


def _look_at_text(path: Path, packed: bool) -> Look:
    with gzip.open(path) if packed else path.open("rb") as file:
        raw = [line.rstrip(b"\r\n") for _, line in zip(range(_LINES_READ), file, strict=False)]
    encoding, lines = _decoded(raw)
    lines = [line for line in lines if line]
    if not lines:
        raise UsageError(f"{path} is empty. Nothing was written.")
    delimiter, n_columns = _delimiter(path, lines[:200])
    rows = [row for row in (split_line(line, delimiter) for line in lines) if len(row) == n_columns]
    header = _has_header(rows)
    guesses = [
        Guess("delimiter", delimiter, f"it cuts the first lines into {n_columns} fields each"),
        Guess(
            "header",
            "true" if header else "false",
            "the first line has no number" if header else "the first line has numbers like the others",
        ),
        Guess(
            "encoding",
            encoding,
            "the bytes are valid UTF-8" if encoding == "utf-8" else "the bytes are not valid UTF-8",
        ),
    ]
    settings = {"format": "csv", "delimiter": delimiter, "header": header, "encoding": encoding}
    body = rows[1:] if header else rows
    return Look(
        settings,
        rows[0] if header else None,
        [list(column) for column in zip(*body, strict=True)] or [[]] * n_columns,
        guesses,
    )


def _decoded(raw: list[bytes]) -> tuple[str, list[str]]:
    try:
        return "utf-8", [line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(raw)]
    except UnicodeDecodeError:
        return "latin-1", [line.decode("latin-1") for line in raw]


def _delimiter(path: Path, lines: Sequence[str]) -> tuple[str, int]:
    for delimiter in _DELIMITERS:
        counts = {len(split_line(line, delimiter)) for line in lines}
        if len(counts) == 1 and (n := counts.pop()) >= 3:
            return delimiter, n
    raise UsageError(
        f"{path}: none of {', '.join(map(repr, _DELIMITERS))} cuts every line into the same three or more fields. "
        "Nothing was written. Write the TOML by hand; docs/configuration.md has an example."
    )


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    return not any(_NUMBER.fullmatch(field) for field in rows[0])


def _roles(path: Path, look: Look) -> dict[str, tuple[int, str]]:
    """The position of each field from 1, by the header, else in the usual order user, item, rating, timestamp."""
    found: dict[str, tuple[int, str]] = {}
    for role, pattern in _NAMES.items():
        for place, name in enumerate(look.header or [], 1):
            if pattern.search(name) and place not in {taken for taken, _ in found.values()}:
                found[role] = (place, f"the header calls it {name!r}")
                break
    for place, role in enumerate(_NAMES, 1):
        free = place not in {taken for taken, _ in found.values()}
        if (
            role not in found
            and free
            and place <= len(look.columns)
            and (role != "timestamp" or _looks_like_time(look.columns[place - 1]))
        ):
            found[role] = (place, "the usual order is user, item, rating, timestamp")
    missing = [role for role in ("user", "item", "rating") if role not in found]
    if missing or not any(_NUMBER.fullmatch(text) for text in look.columns[found["rating"][0] - 1]):
        raise UsageError(
            f"{path}: no column found for {', '.join(missing) or 'a numeric rating'}. Nothing was written. "
            "Write the TOML by hand; docs/configuration.md has an example."
        )
    return found


def _looks_like_time(texts: Sequence[str]) -> bool:
    return bool(texts) and all(re.fullmatch(r"\d{9,16}|\d{4}-\d\d-\d\d.*", text) for text in texts[:100])


def _id_type(role: str, texts: Sequence[str]) -> Guess:
    odd = next((text for text in texts if not _INTEGER.fullmatch(text)), None)
    if odd is None:
        return Guess(f"{role} ids", "integer", f"all {len(texts):,} looked at are integers")
    return Guess(f"{role} ids", "string", "some are not plain integers")


def _scale(ratings: Sequence[float]) -> tuple[dict[str, float], str]:
    low, high = min(ratings), max(ratings)
    step = next(
        (
            step
            for step in _STEPS
            if all(math.isclose((r - low) / step, round((r - low) / step), abs_tol=1e-6) for r in ratings)
        ),
        None,
    )
    scale = {"min": low, "max": high, **({"step": step} if step else {})}
    return (
        scale,
        f"{len(ratings):,} ratings lie in {low:g}..{high:g}{f' in steps of {step:g}' if step else ', continuous'}",
    )


def _unit(texts: Sequence[str]) -> Guess:
    sample = texts[0] if texts else ""
    if not sample.isdigit():
        return Guess("timestamp unit", "iso", "they are written as dates")
    unit = "us" if len(sample) > 14 else "ms" if len(sample) > 11 else "s"
    return Guess("timestamp unit", unit, f"they have {len(sample)} digits")


def _document(path: Path, settings: dict[str, Any], guesses: Sequence[Guess]) -> str:
    because = {guess.what: guess.because for guess in guesses}
    lines = [
        f"# Written by `overnight init {path.name}`; look through the guesses.",
        "[source]",
        f"ratings = [{_toml(str(path.absolute()))}]",
    ]
    for key, value in settings.items():
        comment = because.get(key) or because.get({"timestamp_unit": "timestamp unit"}.get(key, ""), "")
        lines.append(f"{key} = {_toml(value)}" + (f"  # {comment}" if comment else ""))
    return "\n".join(
        [
            *lines,
            "",
            "# All other sections may be left out; docs/configuration.md lists every key with its default.",
            "",
        ]
    )


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
