"""The nightly as a recorded Prefect flow run: the same steps as tasks, with artifacts and a state that says why."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import get_client
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_LOGGING_LEVEL, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from flows.nightly import nightly
from flows.reporting import outcome_of_state
from tests.nights import add_file, parquet_hashes, published

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.filterwarnings("ignore"),  # Prefect's own, on a server that lives for one test module
]


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """A Prefect server of this module's own."""
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_LEVEL: "ERROR"}
    with prefect_test_harness(server_startup_timeout=90), temporary_settings(quiet):
        yield


def test_a_recorded_night_publishes_the_same_tables_and_leaves_artifacts(
    small_source: Path, small_home: Path, tmp_path: Path
) -> None:
    state = nightly(config=str(small_source), home=str(tmp_path / "home"), return_state=True)
    assert outcome_of_state(state).name == "done", state.message
    assert parquet_hashes(published(tmp_path / "home")) == parquet_hashes(published(small_home))
    with get_client(sync_client=True) as client:
        tasks = {run.name.rsplit("-", 1)[0] for run in client.read_task_runs()}
        artifacts = {artifact.key: artifact.data for artifact in client.read_artifacts()}
    assert tasks == {"ingest", "validate", "filter_density", "train_model", "judge_model", "publish"}
    assert set(artifacts) == {
        f"overnight-{name}" for name in ("density", "validation", "training", "metrics", "published")
    }
    assert "recommendations" in {row["table"] for row in json.loads(artifacts["overnight-published"])}


def test_a_refusal_is_a_failed_run_that_says_why_and_shows_no_traceback(
    small_source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = nightly(
        config=str(small_source),
        home=str(tmp_path / "home"),
        overrides=["density.min_ratings_per_user=5000"],
        return_state=True,
    )
    assert (state.type.value, state.name) == ("FAILED", "refused")
    assert "works: it keeps" in (state.message or "")
    assert outcome_of_state(state).code == 1
    assert not [record for record in caplog.records if record.exc_info]


def test_with_nothing_new_the_run_is_completed_and_says_so(small_source: Path, tmp_path: Path) -> None:
    for expected in ("done", "nothing_new"):
        state = nightly(config=str(small_source), home=str(tmp_path / "home"), return_state=True)
        assert (state.type.value, state.name) == ("COMPLETED", expected)


def test_a_machine_error_is_tried_again(small_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import data.take_snapshot
    import tasks.step

    tries = []
    take = data.take_snapshot.take_snapshot

    def fails_once(*arguments: object) -> object:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(28, "No space left on device")
        return take(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(data.take_snapshot, "take_snapshot", fails_once)
    monkeypatch.setattr(tasks.step, "_RETRY_DELAYS_SECONDS", [0.1, 0.1])
    state = nightly(config=str(small_source), home=str(tmp_path / "home"), return_state=True)
    assert (state.name, len(tries)) == ("done", 2)


def test_handing_over_to_a_deployment_that_is_not_there_is_a_usage_error(small_source: Path, tmp_path: Path) -> None:
    state = nightly(
        config=str(small_source),
        home=str(tmp_path / "home"),
        overrides=["train.deployment=train/nowhere"],
        return_state=True,
    )
    assert outcome_of_state(state).code == 2
    assert "train/nowhere" in (state.message or "")
    assert not (tmp_path / "home/published").exists()


def test_a_late_file_after_a_refusal_is_taken_up_by_the_next_night(small_source: Path, tmp_path: Path) -> None:
    config = tmp_path / "overnight.toml"
    config.write_text(small_source.read_text())
    add_file(tmp_path, "ratings-0.csv", (small_source.parent / "inbox/ratings-0.csv").read_text().splitlines()[1:])
    bad = add_file(tmp_path, "ratings-1.csv", ["1,1,77,1600000000"])
    assert nightly(config=str(config), home=str(tmp_path / "home"), return_state=True).name == "refused"
    bad.unlink()
    assert nightly(config=str(config), home=str(tmp_path / "home"), return_state=True).name == "done"
