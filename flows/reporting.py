"""How a flow run tells its story: log lines, and a final state with one sentence."""

from typing import Any

from prefect import get_run_logger
from prefect.states import Completed, Failed


class FlowLog:
    """A listener that writes one log line a stage."""

    def stage_started(self, name: str) -> None:
        get_run_logger().debug("%s started", name)

    def stage_ended(self, name: str, seconds: float, message: str, ok: bool) -> None:
        log = get_run_logger().info if ok else get_run_logger().error
        log("%s (%.1f s): %s", name, seconds, message)

    def progress(self, name: str, done: int, total: int, detail: str) -> None:
        pass


def concluded(outcome: Any) -> Any:
    """The outcome as the state of a flow run: a refusal is a failed run, whose message says why."""
    if outcome.ok:
        return Completed(message=outcome.message, name="Completed" if outcome.name == "done" else "NothingNew")
    return Failed(message=f"[{outcome.name}, code {outcome.code}] {outcome.message}")
