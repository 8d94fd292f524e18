"""One night: settings, home, lock and attempt around a corridor of steps, ending in an outcome, never in a traceback.

Nothing here imports torch, duckdb or prefect: the lock is taken before anything heavy is loaded.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from data import attempt as attempts
from data.attempt import Attempt, Outcome
from data.errors import DONE, LOCKED, MACHINE, REFUSED, USAGE, OvernightError
from data.home import Home, locked, new_run_id, resolve_home
from data.read_settings import load_settings
from data.settings import Settings
from models.errors import CheckpointDamaged, DeviceUnavailable, ModelError, UnreachableRatings

_NAMES = {DONE: "done", REFUSED: "refused", USAGE: "usage", LOCKED: "locked", MACHINE: "machine"}


class Listener(Protocol):
    """Who is told how the night goes: a terminal, a log, a Prefect run."""

    def stage_started(self, name: str) -> None: ...

    def stage_ended(self, name: str, seconds: float, message: str, ok: bool) -> None: ...

    def progress(self, name: str, done: int, total: int, detail: str) -> None: ...


@dataclass(frozen=True)
class Request:
    """What was asked for: by the command, by a schedule or by hand."""

    config: Path = Path("overnight.toml")
    home: Path | None = None
    overrides: Sequence[str] = ()
    purpose: str = "run"
    force: bool = False


@dataclass
class Night:
    """What every step is given."""

    home: Home
    settings: Settings
    attempt: Attempt
    now: datetime
    force: bool
    listener: Listener

    @property
    def run_id(self) -> str:
        return self.attempt.run_id


class NightEnded(Exception):
    """A step ended the night early with all being well."""


def run_night(
    request: Request,
    corridor: Callable[[Night], None],
    listener: Listener,
    resume: Callable[[Home], str] | None = None,
) -> Outcome:
    """Take the lock, walk the corridor, record the attempt, and say how it ended.

    resume      names the run id to go on with; without it a new attempt begins
    """
    try:
        home = resolve_home(request.home)
        settings = load_settings(request.config, request.overrides)
        with locked(home, f"overnight {request.purpose}"):
            now = datetime.now(UTC)
            attempt = attempts.start(home, resume(home) if resume else new_run_id(now), request.purpose)
            night = Night(home, settings, attempt, now, request.force, listener)
            return _walk(night, corridor)
    except Exception as error:
        return outcome_of(error)


def outcome_of(error: BaseException) -> Outcome:
    """The exit code and message of an error; what is not foreseen is called a fault."""
    if isinstance(error, OvernightError):
        return Outcome(error.code, _NAMES[error.code], str(error))
    if isinstance(error, ModelError):
        wrong_setting = isinstance(error, UnreachableRatings | DeviceUnavailable)
        code = USAGE if wrong_setting else MACHINE if isinstance(error, CheckpointDamaged) else REFUSED
        return Outcome(code, _NAMES[code], str(error))
    if is_machine_error(error):
        return Outcome(
            MACHINE,
            "machine",
            f"the machine said no: {error}. What is published stands. "
            "Make room or mend the permission, then run again.",
        )
    return Outcome(
        MACHINE,
        "fault",
        f"a fault in Overnight: {type(error).__name__}. What is published stands. "
        "The attempt's folder has an error.txt with the details; please report it.",
    )


def outcome_named(name: str, message: str) -> Outcome:
    """An outcome by its name; a name that is none of ours is a fault."""
    codes = {**{known: code for code, known in _NAMES.items()}, "nothing_new": DONE}
    return Outcome(codes[name], name, message) if name in codes else Outcome(MACHINE, "fault", message)


def is_machine_error(error: BaseException) -> bool:
    """Disk, permission or memory: polars and torch report a full disk as errors of their own."""
    out_of_memory = type(error).__name__ == "OutOfMemoryException"  # DuckDB's, which is not loaded here
    return isinstance(error, OSError | MemoryError) or out_of_memory or "No space left on device" in str(error)


def _walk(night: Night, corridor: Callable[[Night], None]) -> Outcome:
    try:
        corridor(night)
        outcome = Outcome(DONE, "done", night.attempt.stages[-1].outcome.message)
    except NightEnded as ended:
        outcome = Outcome(DONE, "nothing_new", str(ended))
    except Exception as error:
        outcome = outcome_of(error)
        if outcome.name == "fault":
            (night.attempt.folder / "error.txt").write_text(traceback.format_exc(), "utf-8")
    night.attempt.finish(outcome)
    _remember(night)
    return outcome


def _remember(night: Night) -> None:
    """Add the attempt to the warehouse's history, if it came as far as the warehouse."""
    values: dict[str, Any] = {}
    for stage in night.attempt.stages:
        values.update(stage.values)
    if not night.home.warehouse.exists():
        return
    from data import history

    record = attempts.read(night.attempt.folder)
    assert record is not None
    history.record(
        night.home,
        night.settings.source.ids,
        record,
        snapshot=values.get("snapshot"),
        n_new_ratings=values.get("n_new_ratings", 0),
        metrics=night.attempt.metrics,
        decision=night.attempt.decision,
    )
