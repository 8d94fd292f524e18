"""One attempt to run a night, on disk from its first second: stages, seconds, outcome."""

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.atomic import read_json, write_json
from data.home import Home

RECORD = "run.json"


@dataclass(frozen=True)
class Outcome:
    """How a step or a night ended: an exit code, its name and one clear message."""

    code: int
    name: str  # done | nothing_new | refused | usage | locked | machine | fault
    message: str

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass
class Stage:
    """A finished stage, as run.json keeps it."""

    name: str
    seconds: float
    outcome: Outcome
    values: dict[str, Any]


@dataclass
class Attempt:
    """The record of an attempt; every change is on disk before the next stage starts."""

    folder: Path
    run_id: str
    purpose: str
    started_at: str
    stages: list[Stage] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    decision: dict[str, Any] | None = None
    outcome: Outcome | None = None
    finished_at: str | None = None
    seconds: float | None = None
    started: float = field(default_factory=time.monotonic)

    def save(self) -> None:
        """Write run.json."""
        record = {key: value for key, value in asdict(self).items() if key not in ("folder", "started")}
        write_json(self.folder / RECORD, record)

    def add(self, stage: Stage) -> None:
        """Record a finished stage."""
        self.stages.append(stage)
        self.save()

    def finish(self, outcome: Outcome) -> None:
        """Record how the attempt ended."""
        self.outcome = outcome
        self.finished_at = utc(datetime.now(UTC))
        self.seconds = round(time.monotonic() - self.started, 3)
        self.save()


def start(home: Home, run_id: str, purpose: str) -> Attempt:
    """A new attempt, or the next part of one that has a folder already."""
    folder = home.run(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    attempt = Attempt(folder, run_id, purpose, utc(datetime.now(UTC)))
    if (record := read(folder)) is not None:
        attempt.started_at = record["started_at"]
        attempt.stages = [Stage(**{**stage, "outcome": Outcome(**stage["outcome"])}) for stage in record["stages"]]
    attempt.save()
    return attempt


def read(folder: Path) -> dict[str, Any] | None:
    """The record of an attempt's folder; None if it has none."""
    try:
        return read_json(folder / RECORD)
    except (FileNotFoundError, NotADirectoryError):
        return None


def newest(home: Home) -> dict[str, Any] | None:
    """The record of the last attempt; None when there was none."""
    found = folders(home)
    return read(found[0]) if found else None


def folders(home: Home) -> list[Path]:
    """The folder of every attempt, newest first."""
    return [path.parent for path in sorted((home.root / "runs").glob(f"*/{RECORD}"), reverse=True)]


def utc(time: datetime) -> str:
    """A time as ISO 8601 in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
