"""The pointer moves at once, a changed file is noticed, and readers keep their run."""

import json
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from data.atomic import new_folder
from data.errors import MachineError, UsageError
from data.home import Home
from data.published import (
    all_runs,
    champion_of,
    open_current,
    open_run,
    require_current,
    retire_old_runs,
    switch_current,
    verify,
    write_manifest,
    write_views,
)

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def publish(home: Home, day: int, snapshot: str = "s") -> str:
    run_id = f"202601{day:02}T023000Z-abcdef"
    with new_folder(home.published_run(run_id)) as folder:
        (folder / "text").write_text(run_id)
        write_manifest(folder, {"run_id": run_id, "snapshot": {"hash": snapshot}})
    return run_id


def test_a_reader_sees_one_run_or_the_other_and_never_a_mix(home: Home) -> None:
    ids = [publish(home, day) for day in (1, 2)]
    switch_current(home, ids[0])
    faults: list[str] = []
    seen: set[str] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            try:
                run = require_current(home)
                texts = {run.run_id, run.manifest["run_id"], (run.folder / "text").read_text()}
                linked = (home.published / "current" / "text").read_text()
                seen.update(texts)
                if len(texts) > 1 or linked not in ids:
                    faults.append(f"{texts} {linked}")
            except Exception as error:
                faults.append(repr(error))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        switch_current(home, ids[number % 2])
    ended.set()
    reader.join()
    assert faults == []
    assert seen == set(ids)


def test_nothing_published(home: Home) -> None:
    assert open_current(home) is None
    assert all_runs(home) == []
    with pytest.raises(UsageError, match="nothing is published here yet"):
        require_current(home)


@pytest.mark.parametrize("pointer", ["", "20260101T000000Z-nowhere"])
def test_a_pointer_to_nothing_is_the_machines_fault(home: Home, pointer: str) -> None:
    switch_current(home, publish(home, 1))
    (home.published / "CURRENT").write_text(pointer)
    with pytest.raises(MachineError, match="manifest cannot be read"):
        open_current(home)


def test_the_manifest_has_every_file_and_a_changed_one_is_named(home: Home) -> None:
    run = open_run(home, publish(home, 1))
    assert [(file["path"], file["bytes"]) for file in run.manifest["files"]] == [("text", 23)]
    verify(run)
    data = bytearray((run.folder / "text").read_bytes())
    data[5] ^= 1
    (run.folder / "text").write_bytes(data)
    with pytest.raises(MachineError, match="text is missing or does not have the hash"):
        verify(run)
    (run.folder / "text").unlink()
    with pytest.raises(MachineError, match="text is missing"):
        verify(run)


def test_the_champion_is_the_newest_run_of_another_snapshot(home: Home) -> None:
    assert champion_of(home, "tonight") is None
    ids = [publish(home, 1, "old"), publish(home, 2, "older"), publish(home, 3, "tonight")]
    champion = champion_of(home, "tonight")
    assert champion is not None
    assert champion.run_id == ids[1]


def test_retirement_keeps_the_newest_the_current_and_the_young(home: Home) -> None:
    ids = [publish(home, day) for day in (1, 2, 3, 4, 26, 27, 28)]
    switch_current(home, ids[1])
    assert retire_old_runs(home, 2, NOW) == [ids[3], ids[2], ids[0]]
    assert [run.run_id for run in all_runs(home)] == [ids[6], ids[5], ids[4], ids[1]]
    assert len(list((home.published / "runs").iterdir())) == 4


def test_what_a_killed_retirement_left_is_cleared_away(home: Home) -> None:
    left = home.published_run(publish(home, 1))
    left.rename(left.with_name(f".{left.name}.retired.tmp"))
    switch_current(home, publish(home, 2))
    assert retire_old_runs(home, 5, NOW) == []
    assert [path.name for path in (home.published / "runs").iterdir()] == ["20260102T023000Z-abcdef"]


def test_plain_duckdb_reads_the_current_run_through_the_views(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = publish(home, 1)
    folder = home.published_run(run_id)
    (folder / "recommendations").mkdir()
    for name in (
        "recommendations/part-0",
        "default_recommendations",
        "similar_items",
        "item_biases",
        "user_biases",
        "item_factors",
        "user_factors",
        "items",
        "metrics",
    ):
        duckdb.sql(f"copy (select 1 as one) to '{folder}/{name}.parquet'")
    switch_current(home, run_id)
    write_views(home)
    monkeypatch.chdir(home.root)
    for newline in ("", "\n"):
        (home.published / "CURRENT").write_text(run_id + newline)
        with duckdb.connect() as connection:
            connection.execute((home.root / "views.sql").read_text())
            assert connection.execute("select * from recommendations join similar_items using (one)").fetchall() == [
                (1,)
            ]


def test_the_pointer_serves_sql_that_only_trims_blanks(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = publish(home, 1)
    switch_current(home, run_id)
    monkeypatch.chdir(home.root)
    with duckdb.connect() as connection:
        assert connection.execute("select trim(content) from read_text('published/CURRENT')").fetchall() == [(run_id,)]


def test_a_reader_of_manifests_needs_neither_duckdb_nor_arrow(home: Home) -> None:
    switch_current(home, publish(home, 1))
    code = (
        "import sys; from pathlib import Path; from data.home import Home; from data.published import open_current; "
        "print(open_current(Home(Path(sys.argv[1]))).run_id, {'duckdb', 'polars'} & set(sys.modules))"
    )
    checkout = Path(__file__).resolve().parents[2]
    said = subprocess.run(
        [sys.executable, "-c", code, str(home.root)], capture_output=True, text=True, check=True, cwd=checkout
    )
    assert said.stdout == "20260101T023000Z-abcdef set()\n"


def test_a_manifest_is_written_last_and_read_whole(home: Home) -> None:
    folder = home.published_run(publish(home, 1))
    assert json.loads((folder / "manifest.json").read_text())["schema_version"] == 1
    shutil.copy(folder / "manifest.json", folder / "half")
    (folder / "manifest.json").write_text((folder / "half").read_text()[:20])
    with pytest.raises(MachineError, match="manifest cannot be read"):
        all_runs(home)
