"""Step: the accepted ratings as a snapshot with its dense core marked."""

from typing import Any

from data.published import open_current
from tasks import artifacts
from tasks.night import Night
from tasks.step import StepResult, step


@step
def filter_density(night: Night) -> StepResult:
    """Take the snapshot; the values are its path and hash. Ends the night when exactly this is published already."""
    from data.take_snapshot import take_snapshot

    snapshot = take_snapshot(night.home, night.settings)
    report = snapshot.facts["density"]
    before, after = report["before"], report["after"]
    artifacts.table("density", [{"": when, **report[when]} for when in ("before", "after")], "The density filter")
    values = {"snapshot": snapshot.hash, "folder": str(snapshot.folder), "density": report}
    if not night.force and _is_published(night, snapshot.hash):
        return StepResult(
            "nothing new: what is published comes from exactly these ratings and settings; "
            "CURRENT stands (--force trains again)",
            values,
            ends_night=True,
        )
    return StepResult(f"{_describe(before)} → {_describe(after)}", values)


def _is_published(night: Night, snapshot_hash: str) -> bool:
    current = open_current(night.home)
    if current is None:
        return False
    manifest = current.manifest
    same_settings = what_decides(manifest["config"]) == what_decides(night.settings.as_json())
    return bool(manifest["snapshot"]["hash"] == snapshot_hash and same_settings)


def what_decides(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that decides what the tables hold; where and how long does not."""
    elsewhere = {"device", "deployment", "deployment_timeout_seconds"}
    train = {key: value for key, value in config["train"].items() if key not in elsewhere}
    lists = {key: config["publish"][key] for key in ("top_n", "n_similar")}
    return {"density": config["density"], "train": train, "publish": lists}


def _describe(size: dict[str, float]) -> str:
    matrix = f"{size['n_users']:,} users × {size['n_items']:,} items"
    return f"{matrix}, {size['n_ratings']:,} ratings, {size['density']:.2%} dense"
