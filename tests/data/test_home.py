"""One home, one source, one writer."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import HomeLocked, MachineError, UsageError
from data.home import CHECKOUT, Home, check_source, locked, new_run_id, resolve_home
from tests.worlds import HEADER, UNTIMED, World

GOOD = HEADER + "1,10,3,100\n"
HOLDER = """
import sys, time
from pathlib import Path
from data.home import Home, locked
with locked(Home(Path(sys.argv[1])), "a long night"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVERNIGHT_HOME", raising=False)
    assert resolve_home(None).root == CHECKOUT / "var"
    monkeypatch.setenv("OVERNIGHT_HOME", str(tmp_path))
    assert resolve_home(None).root == tmp_path
    assert resolve_home(Path("/else")).warehouse == Path("/else/warehouse.duckdb")
    monkeypatch.setenv("OVERNIGHT_HOME", "relative")
    with pytest.raises(UsageError, match="relative path"):
        resolve_home(None)


def test_a_run_id_sorts_by_time_and_two_of_one_second_differ() -> None:
    moments = [datetime(2026, 1, 1, 2, 3, 4, microsecond, tzinfo=UTC) for microsecond in range(0, 1_000_000, 7919)]
    ids = [new_run_id(moment) for moment in moments]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"20260101T020304Z-[0-9a-f]{6}", one) for one in ids)


def test_a_second_writer_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with (
        locked(home, "first"),
        pytest.raises(HomeLocked, match=rf"process {os.getpid()} \(first\) since .* This run did nothing"),
        locked(home, "second"),
    ):
        pass
    with locked(home, "third"):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home.root)], stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(HomeLocked, match=rf"process {child.pid} \(a long night\)"), locked(home, "second"):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
    with locked(home, "second"):
        assert json.loads((home.root / ".lock-holder.json").read_text())["pid"] == os.getpid()


def test_a_folder_with_other_files_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(UsageError, match="holds other files"), locked(Home(tmp_path), "run"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(UsageError, match="a file, not a folder"), locked(Home(tmp_path / "home"), "run"):
        pass


def test_a_home_whose_path_is_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the path has \* \["), locked(Home(tmp_path / "[x]" / "a*"), "run"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["source.scale.max=10", "source.ids=string", UNTIMED])
def test_a_home_of_another_source_is_refused(world: World, change: str) -> None:
    world.load(GOOD)
    before = (world.ledger(), world.log())
    with pytest.raises(UsageError, match=r"serves another source: .* the home was built with"):
        world.ingest(change)
    assert (world.ledger(), world.log()) == before


def test_a_wrong_first_configuration_may_be_corrected(world: World) -> None:
    world.put(HEADER + "anna,10,8,100\n")
    strict = "validate.max_quarantined_share=0"
    with pytest.raises(Exception, match="break the contract"):
        world.ingest(strict)
    right = ("source.ids.user=string", "source.scale={min=1,max=10}", strict)
    assert world.ingest(*right).n_loaded == 1
    with pytest.raises(UsageError, match="another source"):
        world.ingest(strict)


def test_a_damaged_contract_is_the_machines_fault(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "source.json").write_text("{")
    with pytest.raises(MachineError, match=r"source\.json: damaged"):
        check_source(home, {})
