"""One person's list and one item's neighbours, with titles, from the published tables of one run."""

from pathlib import Path
from typing import Any

import polars as pl

from data.errors import MachineError, UsageError
from data.home import Home, resolve_home
from data.published import PublishedRun, require_current
from data.snapshot import open_snapshot

_RATED_SHOWN = 10


def show(home_folder: Path | None, user: str, n: int) -> dict[str, Any]:
    """A user's list: what they rated highest, where their scores come from, and n recommendations with titles."""
    home = resolve_home(home_folder)
    run = require_current(home)
    user_id = _typed(user, run, "user")
    mine = pl.col("user_id") == user_id
    known = not pl.scan_parquet(run.table("user_biases")).filter(mine).collect().is_empty()
    if known:
        listed = pl.scan_parquet(run.table("recommendations")).filter(mine, pl.col("rank") <= n).collect()
        source = listed["source"][0] if listed.height else "nothing_left"
    else:
        listed, source = pl.read_parquet(run.table("default_recommendations")).head(n), "default"
    columns = ["rank", "item_id", "title", "predicted_rating", "score"]
    return {
        "run": run.run_id,
        "user_id": user_id,
        "known": known,
        "source": source,
        "rated": _rated(home, run, user_id) if known else [],
        "recommendations": _titled(listed, run).select(columns).to_dicts(),
    }


def similar(home_folder: Path | None, item: str, n: int) -> dict[str, Any]:
    """An item's neighbours with titles."""
    run = require_current(resolve_home(home_folder))
    item_id = _typed(item, run, "item")
    items = pl.scan_parquet(run.table("items")).filter(pl.col("item_id") == item_id).collect()
    if items.is_empty():
        raise UsageError(
            f"item {item}: no such item in run {run.run_id}. "
            f"`overnight query \"from items where title ilike '%...%'\"` finds ids."
        )
    near = (
        pl.scan_parquet(run.table("similar_items")).filter(pl.col("item_id") == item_id, pl.col("rank") <= n).collect()
    )
    named = _titled(near.drop("item_id").rename({"similar_item_id": "item_id"}), run)
    return {
        "run": run.run_id,
        "item_id": item_id,
        "title": items["title"][0],
        "in_core": not near.is_empty(),
        "similar": named.select("rank", "item_id", "title", "similarity", "n_common_users").to_dicts(),
    }


def examples(home_folder: Path | None) -> tuple[str, str]:
    """A user and an item worth looking at: the most active user, the most rated item in the core."""
    run = require_current(resolve_home(home_folder))
    users = pl.read_parquet(run.table("user_biases")).sort("n_ratings", "user_id", descending=[True, False])
    items = pl.read_parquet(run.table("item_biases")).sort(
        "in_core", "n_ratings", "item_id", descending=[True, True, False]
    )
    return str(users["user_id"][0]), str(items["item_id"][0])


def _typed(text: str, run: PublishedRun, side: str) -> int | str:
    """An id as the source declares it."""
    if run.manifest["snapshot"]["ids"][side] == "string":
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{side} ids of this source are integers, {text!r} is none.") from None


def _titled(frame: pl.DataFrame, run: PublishedRun) -> pl.DataFrame:
    titles = pl.read_parquet(run.table("items"), columns=["item_id", "title"])
    return frame.join(titles, on="item_id", how="left", maintain_order="left")


def _rated(home: Home, run: PublishedRun, user_id: int | str) -> list[dict[str, Any]]:
    """What the user rated highest, newest first among equals; nothing once the snapshot is gone."""
    snapshot_hash = run.manifest["snapshot"]["hash"]
    try:
        snapshot = open_snapshot(home.snapshots / snapshot_hash, snapshot_hash)
    except MachineError:
        return []
    code = snapshot.users().filter(pl.col("user_id") == user_id)["user_code"][0]
    ratings = pl.scan_parquet(snapshot.folder / "ratings.parquet").filter(pl.col("user_code") == code).collect()
    best = ratings.sort("rating", "rated_at", "item_code", descending=[True, True, False], nulls_last=True).head(
        _RATED_SHOWN
    )
    return (
        best.join(snapshot.items(), on="item_code", how="left", maintain_order="left")
        .select("item_id", "title", "rating")
        .to_dicts()
    )
