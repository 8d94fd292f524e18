"""Questions that readers ask: an outcome and an answer, never an exception. Readers take no lock, they never wait."""

from collections.abc import Callable
from typing import TypeVar

from data.attempt import Outcome
from data.errors import DONE, MACHINE, first_line
from tasks.night import outcome_of

T = TypeVar("T")


def ask(question: Callable[[], T]) -> tuple[Outcome, T | None]:
    """Call a reader; what it cannot answer becomes an outcome with a message."""
    try:
        return Outcome(DONE, "done", ""), question()
    except Exception as error:
        outcome = outcome_of(error)
        if outcome.name == "fault":  # a reader has no attempt whose folder could hold the details
            outcome = Outcome(
                outcome.code,
                outcome.name,
                f"a fault in Overnight: {type(error).__name__}: {error}. Nothing was changed. Please report it.",
            )
        return outcome, None


def through_server(call: Callable[[], T]) -> tuple[Outcome, T | None]:
    """Call what needs the Prefect server; a night's own errors are outcomes, what is raised is the server's."""
    try:
        return Outcome(DONE, "done", ""), call()
    except Exception as error:
        message = (
            f"the Prefect server at PREFECT_API_URL does not answer as it should "
            f"({type(error).__name__}: {first_line(error)}). "
            "What is published stands. Start the server, or unset PREFECT_API_URL to run without one."
        )
        return Outcome(MACHINE, "machine", message), None
