"""Small nights for tests: a thinned sample, the command in this process, and what a home holds."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from typer.testing import CliRunner

from flows.command import app

CHECKOUT = Path(__file__).resolve().parents[1]
HEADER = "userId,movieId,rating,timestamp"
TOML = """
[source]
ratings = ["inbox"]
columns = {{ user = "userId", item = "movieId", rating = "rating", timestamp = "timestamp" }}
scale = {{ min = 0.5, max = 5.0, step = 0.5 }}

[source.items]
path = "{movies}"
columns = {{ item = "movieId", title = "title", features = ["genres"] }}

[train]
n_factors = 8
batch_size = 32
{extra}
"""


def planted_lines(n_users: int = 150, n_items: int = 120, per_user: int = 60, seed: int = 1) -> list[str]:
    """Ratings of two tastes: people of odd ids like movies of odd places, the others the rest; biases cannot know that.

    Movies are the first of the sample, so that they have titles; the times rise by a minute a rating.
    """
    random = Random(seed)
    with gzip.open(CHECKOUT / "data/sample/movies.csv.gz", "rt", encoding="utf-8", newline="") as file:
        movies = [line.split(",", 1)[0] for line in file.read().splitlines()[1 : n_items + 1]]
    lines = []
    for minute, (user, place) in enumerate(_shuffled(random, n_users, n_items, per_user)):
        liking = 3.0 + (1.5 if (user - place) % 2 == 0 else -1.5) + random.gauss(0, 0.4)
        lines.append(
            f"{user},{movies[place]},{min(5.0, max(0.5, round(2 * liking) / 2))},{1_500_000_000 + 60 * minute}"
        )
    return lines


def _shuffled(random: Random, n_users: int, n_items: int, per_user: int) -> list[tuple[int, int]]:
    pairs = [(user, place) for user in range(1, n_users + 1) for place in random.sample(range(n_items), per_user)]
    random.shuffle(pairs)
    return pairs


def add_file(folder: Path, name: str, lines: list[str]) -> Path:
    """Put a rating file into the inbox of a source."""
    path = folder / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")
    return path


def source(folder: Path, lines: list[str], extra: str = "") -> Path:
    """A source with one rating file; returns its TOML."""
    add_file(folder, "ratings-0.csv", lines)
    config = folder / "overnight.toml"
    config.write_text(TOML.format(movies=CHECKOUT / "data/sample/movies.csv.gz", extra=extra), "utf-8")
    return config


class Answer:
    """How a command ended and what it said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """What it said to a program."""
        return json.loads(self.out)


def overnight(*arguments: str | Path) -> Answer:
    """Run the command in this process; an exception that would be a stack trace fails the test."""
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def published(home: Path) -> Path:
    """The folder of the current run."""
    return home / "published" / "runs" / (home / "published" / "CURRENT").read_text().strip()


def parquet_hashes(run: Path) -> dict[str, str]:
    """Every Parquet file of a run with its SHA-256."""
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(run.rglob("*.parquet"))
    }


def state(home: Path) -> dict[str, str]:
    """Everything that readers of a home can see, by content: what must not move when a run fails."""

    def files() -> Iterator[Path]:
        yield from (path for path in sorted((home / "published").rglob("*")) if path.is_file())

    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files()}
