"""The nightly flow: rating files in, published tables out."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.corridor import nightly_corridor
from flows.reporting import FlowLog, concluded
from tasks.night import Request, run_night


@flow(name="nightly", timeout_seconds=8 * 3600, persist_result=False)
def nightly(
    config: str = "overnight.toml", home: str = "", overrides: list[str] | None = None, force: bool = False
) -> Any:
    """The whole night for one data source.

    config      the TOML of the source; home    its home folder ("" = OVERNIGHT_HOME, else var/ in the checkout)
    overrides   KEY=VALUE as with --set; force   train even if nothing is new
    """
    request = Request(Path(config), Path(home) if home else None, overrides or (), "run", force)
    return concluded(run_night(request, nightly_corridor, FlowLog()))
