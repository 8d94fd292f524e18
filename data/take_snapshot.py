"""The accepted ratings of the warehouse as a snapshot: coded, the dense core first, hashed."""

import hashlib
import shutil
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from data.atomic import new_folder, sha256, write_json
from data.density import Core, dense_core
from data.errors import DataRefused, MachineError
from data.home import Home
from data.metadata import feature_name
from data.settings import Settings
from data.snapshot import FACTS, FORMAT_VERSION, TABLES, Snapshot, content_hash, open_snapshot
from data.sql import rows
from data.warehouse import opened


def take_snapshot(home: Home, settings: Settings) -> Snapshot:
    """Write the snapshot of all accepted ratings; an equal one that is there already is reused.

    Raises EmptyCore when the density filter leaves nothing, DataRefused when nothing is accepted yet.
    """
    ratings, users, items, inputs = _read(home, settings)
    if ratings.is_empty():
        raise DataRefused(
            "no accepted ratings: there is nothing to train on. What is published stands. Ingest a rating file first."
        )
    user_index, item_index = _index(ratings, "user_id"), _index(ratings, "item_id")
    core = dense_core(user_index, item_index, settings.density)
    user_code, user_table = _coded(ratings, "user", user_index, core)
    item_code, item_table = _coded(ratings, "item", item_index, core)
    coded = pl.DataFrame(
        {
            "user_code": user_code,
            "item_code": item_code,
            "rating": ratings["rating"].cast(pl.Float32),
            "rated_at": ratings["rated_at"],
            "in_core": core.mask,
            "golden": core.mask & _golden(ratings, user_index, item_index, settings.train.golden_share),
        }
    ).sort("user_code", "item_code")
    tables = {
        "ratings.parquet": coded,
        "users.parquet": _with_metadata(user_table, users, "user", "left"),
        "items.parquet": _with_metadata(item_table, items, "item", "full"),
    }
    return _write(
        home,
        tables,
        {
            "format_version": FORMAT_VERSION,
            "scale": settings.source.scale.model_dump(),
            "ids": settings.source.ids.model_dump(),
            "n_users": user_table.height,
            "n_items": item_table.height,
            "n_ratings": coded.height,
            "window": _window(ratings),
            "density": core.report(),
            "inputs": inputs,
        },
    )


def _read(home: Home, settings: Settings) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, list[dict[str, Any]]]:
    source = settings.source
    with opened(home, source.ids) as connection:
        ratings = (
            connection.sql("select * from latest_ratings").pl().sort("user_id", "item_id")
        )  # one order, so the same sums
        users = _metadata(connection, "users", source.users.columns.features if source.users else [])
        items = _metadata(connection, "items", source.items.columns.features if source.items else [])
        inputs = rows(
            connection,
            "select name, sha256, size_bytes, n_loaded from files where status = 'accepted' order by file_id",
        )
    return ratings, users, items, inputs


def _metadata(connection: Any, table: str, features: list[str | int]) -> pl.DataFrame:
    frame: pl.DataFrame = connection.sql(
        f"select * exclude (features), features::json::varchar as features from {table}"
    ).pl()
    names = [feature_name(column) for column in features]
    parsed = pl.col("features").str.json_decode(pl.Struct(dict.fromkeys(names, pl.String)))
    return frame.with_columns(parsed).unnest("features") if names else frame.drop("features")


def _index(ratings: pl.DataFrame, column: str) -> npt.NDArray[np.int64]:
    """Each id as its rank among the distinct ids, 0..n-1."""
    return ratings.select(pl.col(column).rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()


def _coded(
    ratings: pl.DataFrame, side: str, index: npt.NDArray[np.int64], core: Core
) -> tuple[pl.Series, pl.DataFrame]:
    """The code of each rating's user or item, and the table of them: core first, by id within."""
    table = ratings.select(f"{side}_id").unique().sort(f"{side}_id")
    n_ratings = np.bincount(index)
    mean_rating = np.bincount(index, weights=ratings["rating"].to_numpy()) / n_ratings
    in_core = np.bincount(index[core.mask], minlength=table.height) > 0
    order = np.argsort(~in_core, kind="stable")
    code = np.empty(table.height, dtype=np.int32)
    code[order] = np.arange(table.height, dtype=np.int32)
    described = table.with_columns(
        pl.Series("in_core", in_core), pl.Series("n_ratings", n_ratings), pl.Series("mean_rating", mean_rating)
    )[order]
    return pl.Series(code[index]), described.with_row_index(f"{side}_code").cast({f"{side}_code": pl.Int32})


def _golden(
    ratings: pl.DataFrame, user_index: npt.NDArray[np.int64], item_index: npt.NDArray[np.int64], share: float
) -> npt.NDArray[np.bool_]:
    """The frozen golden set: a pair belongs to it, or not, by a hash of its ids, the same every night."""
    mixed = (
        _id_hashes(ratings["user_id"])[user_index] * np.uint64(0x9E3779B97F4A7C15)
        ^ _id_hashes(ratings["item_id"])[item_index]
    )
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)  # the finaliser of splitmix64
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed < np.uint64(min(share * 2.0**64, 2.0**64 - 2049))


def _id_hashes(ids: pl.Series) -> npt.NDArray[np.uint64]:
    distinct = ids.unique().sort().cast(pl.String)
    return np.array(
        [int.from_bytes(hashlib.blake2b(one.encode(), digest_size=8).digest(), "little") for one in distinct],
        dtype=np.uint64,
    )


def _with_metadata(table: pl.DataFrame, metadata: pl.DataFrame, side: str, how: str) -> pl.DataFrame:
    """The table with titles and features; with how="full" also what has metadata and no rating, at the end."""
    key, code = f"{side}_id", f"{side}_code"
    joined = table.join(metadata, on=key, how="left")
    if how == "full":
        unrated = metadata.join(table, on=key, how="anti").sort(key)
        joined = pl.concat([joined, unrated], how="diagonal").with_columns(
            pl.col("in_core").fill_null(False), pl.col("n_ratings").fill_null(0)
        )
    return joined.sort(code, nulls_last=True, maintain_order=True).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias(code)
    )


def _window(ratings: pl.DataFrame) -> dict[str, str | None]:
    """The times of the oldest and the newest rating; the newest is the as-of date."""
    oldest, newest = ratings["rated_at"].min(), ratings["rated_at"].max()
    return {"from": _iso(oldest), "as_of": _iso(newest)}


def _iso(time: Any) -> str | None:
    return None if time is None else f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"


def _write(home: Home, tables: dict[str, pl.DataFrame], facts: dict[str, Any]) -> Snapshot:
    home.snapshots.mkdir(exist_ok=True)
    staging = home.snapshots / ".taking"
    shutil.rmtree(staging, ignore_errors=True)
    with new_folder(staging) as folder:
        for name, table in tables.items():
            table.write_parquet(folder / name, compression="zstd", row_group_size=1 << 20)
        facts = {**facts, "hash": content_hash(facts, {name: sha256(folder / name) for name in TABLES})}
        write_json(folder / FACTS, facts)
    final = home.snapshots / facts["hash"]
    if final.exists():
        try:
            reused = open_snapshot(final, facts["hash"])
        except MachineError:
            shutil.rmtree(final)  # damaged; the sound copy takes its place
        else:
            shutil.rmtree(staging)
            return reused
    staging.rename(final)
    return open_snapshot(final, facts["hash"])
