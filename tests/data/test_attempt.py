"""The record of an attempt is on disk from its first second; the history keeps one row of each."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from data import attempt as attempts
from data import history
from data.attempt import Outcome, Stage
from data.home import Home
from data.settings import IdTypes
from tests.worlds import HEADER, World

DONE = Outcome(0, "done", "fine")


def test_a_crashed_attempt_leaves_what_it_did(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert attempts.newest(home) is None
    attempt = attempts.start(home, "20260101T000000Z-aaaaaa", "run")
    attempt.add(Stage("ingest", 0.5, DONE, {"n_new_files": 1}))
    record = attempts.newest(home)
    assert record is not None
    assert (record["run_id"], record["outcome"], [stage["name"] for stage in record["stages"]]) == (
        attempt.run_id,
        None,
        ["ingest"],
    )


def test_the_next_part_of_an_attempt_keeps_the_stages_of_the_first(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = attempts.start(home, "20260101T000000Z-aaaaaa", "ingest")
    first.add(Stage("ingest", 0.5, DONE, {}))
    first.finish(DONE)
    second = attempts.start(home, first.run_id, "train")
    assert (second.stages, second.started_at) == (first.stages, first.started_at)
    assert second.outcome is None


def test_the_newest_is_newest_by_id(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for run_id in ("20260102T000000Z-aaaaaa", "20260101T000000Z-ffffff"):
        attempts.start(home, run_id, "run")
    newest = attempts.newest(home)
    assert newest is not None
    assert newest["run_id"] == "20260102T000000Z-aaaaaa"


def test_times_are_utc() -> None:
    assert (
        attempts.utc(datetime(2026, 1, 1, 1, 30, 5, 999, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31T23:30:05Z"
    )
    assert attempts.utc(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"


def test_the_history_has_one_row_an_attempt(world: World) -> None:
    world.load(HEADER + "1,10,3,100\n")
    attempt: dict[str, Any] = {
        "run_id": "r",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:01:00Z",
        "outcome": {"name": "done", "message": "fine"},
    }
    for message in ("first part", "second part"):
        attempt["outcome"]["message"] = message
        history.record(
            world.home, IdTypes(), attempt, snapshot=None, n_new_ratings=1, metrics=[{"value": 1.0}], decision=None
        )
    assert world.rows(
        "select run_id, message, n_new_ratings, epoch(finished_at - started_at), metrics::varchar from runs"
    ) == [("r", "second part", 1, 60.0, '[{"value": 1.0}]')]


def test_previous_volumes_are_those_of_nights_after_the_first(world: World) -> None:
    assert history_of(world, [5, 0, 3, 4]) == (3, 4)


def history_of(world: World, volumes: list[int]) -> tuple[int, ...]:
    """What counts as usual after nights with so many new ratings."""
    for night, n in enumerate(volumes):
        world.load(HEADER + "".join(f"{night},{item},3,100\n" for item in range(n)), name=f"{night}.csv")
        with history.opened(world.home, IdTypes()) as connection:
            connection.execute(
                "update files set ingested_at = ingested_at + to_days(?) where name = ?", [night, f"{night}.csv"]
            )
    return history.previous_volumes(world.home, IdTypes())
