"""Going on where an earlier command stopped: `overnight publish` takes up what `overnight train` left."""

from typing import Any

from data import attempt
from data.errors import UsageError
from data.home import Home
from data.published import open_current
from tasks.night import Night


def newest_unpublished(home: Home) -> str:
    """The newest attempt with a trained model, if it is newer than what is published.

    Raises UsageError when there is none.
    """
    current = open_current(home)
    for run_id in (folder.name for folder in attempt.folders(home)):
        if current is not None and run_id <= current.run_id:
            break  # publishing it would turn the clock back
        if (home.model(run_id) / "model.json").exists():
            return run_id
    raise UsageError(
        f"{home.root}: no trained model waits to be published. Nothing was changed. Run `overnight train` first."
    )


def values_of(night: Night, *stages: str) -> dict[str, Any]:
    """What the last of these stages left in the attempt."""
    return next(stage.values for stage in reversed(night.attempt.stages) if stage.name in stages and stage.outcome.ok)
