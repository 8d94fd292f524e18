"""The nightly flow: rating files in, published tables out."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.reporting import FlowLog, concluded
from tasks.filter_density import filter_density
from tasks.hand_over import hand_over
from tasks.ingest import ingest
from tasks.judge import judge_model
from tasks.night import Night, Request, run_night
from tasks.publish import publish
from tasks.train_model import train_model
from tasks.validate import validate


def corridor(night: Night) -> None:
    """One direction, one thing per step; what crosses is a path and a hash. A step that says no ends the night."""
    ingest(night)
    validate(night)
    core = filter_density(night)
    model = hand_over(night, core) if night.settings.train.deployment else train_model(night, core)
    judge_model(night, core, model)
    publish(night, core, model)


@flow(name="nightly", timeout_seconds=8 * 3600, persist_result=False)
def nightly(config: str = "overnight.toml", home: str = "", overrides: list[str] | None = None, force: bool = False) -> Any:
    """The whole night for one data source.

    config      the TOML of the source; home    its home folder ("" = OVERNIGHT_HOME, else var/ in the checkout)
    overrides   KEY=VALUE as with --set; force   train even if nothing is new
    """
    request = Request(Path(config), Path(home) if home else None, overrides or (), "run", force)
    return concluded(run_night(request, corridor, FlowLog()))
