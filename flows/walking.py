"""How a command walks a corridor: plainly, or as a recorded flow run where PREFECT_API_URL is set."""

import os
from pathlib import Path
from typing import Any

from flows.terminal import TerminalLog
from tasks.answers import through_server
from tasks.night import Night, Request, run_night
from tasks.stages import newest_unpublished


def walk(purpose: str, corridor: str, config: Path, home: Path | None, overrides: list[str], force: bool) -> Any:
    """The outcome of a corridor of flows.corridor, by name: it is loaded only once the lock is held."""
    if purpose == "run" and os.environ.get("PREFECT_API_URL"):
        return _recorded(config, home, overrides, force)

    def load_and_walk(night: Night) -> None:
        from flows import corridor as corridors

        getattr(corridors, corridor)(night)

    resume = newest_unpublished if purpose == "publish" else None
    return run_night(Request(config, home, overrides, purpose, force), load_and_walk, TerminalLog(), resume)


def _recorded(config: Path, home: Path | None, overrides: list[str], force: bool) -> Any:
    from flows.nightly import nightly
    from flows.reporting import outcome_of_state

    parameters = {
        "config": str(config.absolute()),
        "home": str(home.absolute()) if home else "",
        "overrides": overrides,
        "force": force,
    }
    recorded: Any = through_server(lambda: nightly(**parameters, return_state=True))
    outcome, state = recorded
    return outcome_of_state(state) if outcome.ok else outcome
