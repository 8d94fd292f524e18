"""How a flow run tells its story: log lines, and a final state whose name and message are the outcome's."""

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from tasks.night import outcome_named


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
    """The outcome as the state of a flow run: a refusal is a failed run, whose name and message say why."""
    make = Completed if outcome.ok else Failed
    return make(name=outcome.name, message=outcome.message)


def outcome_of_state(state: State[Any]) -> Any:
    """The outcome that `concluded` put into a state; a state that Prefect made itself is a fault."""
    return outcome_named(state.name or "", state.message or "")
