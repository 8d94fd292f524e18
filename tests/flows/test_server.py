"""Once for real: a Prefect server, two process workers, `prefect deploy --all`, and the tables of `overnight run`."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.nights import CHECKOUT, parquet_hashes, planted_lines, published, source

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("prefect")]
_PATIENCE_SECONDS = 180


@dataclass
class Prefect:
    """A server of our own, and what talks to it."""

    url: str
    env: dict[str, str]
    logs: Path

    def cli(self, *arguments: str) -> str:
        """The output of a prefect command that must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=CHECKOUT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A prefect process in the background."""
        with (self.logs / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "prefect", *arguments],
                cwd=CHECKOUT,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def post(self, path: str, **body: Any) -> Any:
        """The answer of the API to a question or an order."""
        return self._answer("POST", path, body)

    def get(self, path: str) -> Any:
        """The answer of the API."""
        return self._answer("GET", path, None)

    def _answer(self, method: str, path: str, body: Any) -> Any:
        """Asked again while SQLite is locked (503), as Prefect's own client does; orders carry an idempotency key."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            response = httpx.request(method, f"{self.url}{path}", json=body, timeout=30)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                return response.raise_for_status().json()
            time.sleep(1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Wait, but not for ever."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """Server, pools, deployments and a worker for each pool."""
    folder = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    env = {
        **os.environ,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "OMP_NUM_THREADS": "1",
    }
    prefect = Prefect(url, env, folder)
    processes = [prefect.start("server", "server", "start", "--host", "127.0.0.1", "--port", str(port))]
    try:
        wait_until(lambda: answers(url), "the start of the server")
        for pool in ("cpu", "gpu"):
            prefect.cli("work-pool", "create", pool, "--type", "process")
        prefect.cli("deploy", "--all")
        processes += [
            prefect.start(pool, "worker", "start", "--pool", pool, "--type", "process") for pool in ("cpu", "gpu")
        ]
        yield prefect
    finally:
        for process in reversed(processes):
            stop(process)


def answers(url: str) -> bool:
    """Whether the server is up."""
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def run_to_the_end(prefect: Prefect, deployment: str, **parameters: Any) -> dict[str, Any]:
    """Run a deployment as a person would from the API, and return the finished run."""
    found = prefect.get(f"/deployments/name/{deployment}")
    run = prefect.post(
        f"/deployments/{found['id']}/create_flow_run",
        parameters={**found["parameters"], **parameters},
        idempotency_key=uuid.uuid4().hex,
    )

    def now() -> Any:
        return prefect.get(f"/flow_runs/{run['id']}")

    wait_until(
        lambda: now()["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"), f"the end of {deployment}"
    )
    finished: dict[str, Any] = now()
    return finished


@pytest.fixture(scope="module")
def plain_tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A source, and the tables that `overnight run` makes of it without a server."""
    folder = tmp_path_factory.mktemp("plain")
    config = source(folder, planted_lines())
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    env.pop("PREFECT_API_URL", None)
    code = "from flows.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--config", str(config), "--home", str(folder / "home")],
        cwd=CHECKOUT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return config, parquet_hashes(published(folder / "home"))


def test_a_manual_run_on_the_cpu_pool_makes_the_tables_of_overnight_run(
    prefect: Prefect, plain_tables: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    config, tables = plain_tables
    run = run_to_the_end(prefect, "nightly/nightly", config=str(config), home=str(tmp_path / "home"))
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "done"), run["state"]["message"]
    assert parquet_hashes(published(tmp_path / "home")) == tables


def test_the_training_handed_to_the_gpu_pool_makes_the_same_tables(
    prefect: Prefect, plain_tables: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    config, tables = plain_tables
    run = run_to_the_end(
        prefect,
        "nightly/nightly",
        config=str(config),
        home=str(tmp_path / "home"),
        overrides=["train.deployment=train/gpu"],
    )
    assert run["state_name"] == "done", run["state"]["message"]
    assert parquet_hashes(published(tmp_path / "home")) == tables
    trained = [one for one in prefect.post("/flow_runs/filter") if one["work_pool_name"] == "gpu"]
    assert [one["state_type"] for one in trained] == ["COMPLETED"]
    assert list((tmp_path / "home/models").glob("*.result.json"))


def test_overnight_run_is_recorded_where_an_api_is_named(
    prefect: Prefect, plain_tables: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    config, tables = plain_tables
    command = [sys.executable, "-c", "from flows.command import main; main()", "run", "--config", str(config)]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], cwd=CHECKOUT, env=prefect.env, capture_output=True, text=True, check=False
        )

    done = run("--home", str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert parquet_hashes(published(tmp_path / "home")) == tables
    refused = run("--home", str(tmp_path / "other"), "--set", "density.min_ratings_per_user=5000")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    by_hand = [one["state_name"] for one in prefect.post("/flow_runs/filter") if one["deployment_id"] is None]
    assert sorted(by_hand) == ["done", "refused"]


def test_a_refused_night_is_a_failed_run_with_the_reason(
    prefect: Prefect, plain_tables: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    config, _ = plain_tables
    run = run_to_the_end(
        prefect,
        "nightly/nightly",
        config=str(config),
        home=str(tmp_path / "home"),
        overrides=["density.min_ratings_per_user=5000"],
    )
    assert (run["state_type"], run["state_name"]) == ("FAILED", "refused")
    assert "works: it keeps" in run["state"]["message"]


def test_the_clock_has_runs_in_store_and_the_scheduler_no_errors(prefect: Prefect) -> None:
    def scheduled() -> list[Any]:
        runs: list[Any] = prefect.post("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})
        return [run for run in runs if run["auto_scheduled"]]

    wait_until(lambda: bool(scheduled()), "the scheduling of a night")
    assert all(run["expected_start_time"][11:16] == "02:30" for run in scheduled())  # UTC
    errors = [
        line
        for line in (prefect.logs / "server.log").read_text().splitlines()
        if "ERROR" in line and "scheduler" in line
    ]
    assert errors == []
