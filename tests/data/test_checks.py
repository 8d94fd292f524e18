"""Sound tables pass; each planted fault is caught, by the check made for it and by no other."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data import checks
from data.checks import check_tables
from data.errors import TablesUnsound
from data.schemas import ALL_TABLES, Table
from data.settings import IdTypes
from data.snapshot import Snapshot
from data.tables import write_table
from tests.worlds import HEADER, World

IDS = IdTypes()
Frames = dict[str, pl.DataFrame]
# Users 1..3 rated two of the items 10..14 each; user 4 rated all but one; item 99 is known by its title alone.
RATED = {1: [10, 11], 2: [11, 12], 3: [12, 13], 4: [10, 11, 12, 13], 5: [10, 14]}
UNRATED = {user: [item for item in range(10, 15) if item not in items] for user, items in RATED.items()}


def sound() -> Frames:
    rows = [
        {
            "user_id": user,
            "rank": rank,
            "item_id": item,
            "score": 1.0 / rank,
            "predicted_rating": 4.0,
            "source": "model",
        }
        for user, items in UNRATED.items()
        for rank, item in enumerate(items[:2], 1)
    ]
    biases = {"bias": 0.1, "n_ratings": 2, "mean_rating": 3.0, "in_core": True}
    return {
        "recommendations": pl.DataFrame(rows),
        "default_recommendations": pl.DataFrame(
            [
                {"rank": 1, "item_id": 10, "score": 1.0, "predicted_rating": 4.0},
                {"rank": 2, "item_id": 11, "score": 0.5, "predicted_rating": 4.0},
            ]
        ),
        "similar_items": pl.DataFrame(
            [
                {"item_id": item, "rank": 1, "similar_item_id": item % 5 + 10, "similarity": 0.5, "n_common_users": 1}
                for item in range(10, 15)
            ]
        ),
        "item_biases": pl.DataFrame([{"item_id": item, **biases} for item in range(10, 15)]),
        "user_biases": pl.DataFrame([{"user_id": user, **biases} for user in RATED]),
        "item_factors": pl.DataFrame({"item_id": list(range(10, 15)), "factors": [[0.1, 0.2]] * 5}),
        "user_factors": pl.DataFrame({"user_id": list(RATED), "factors": [[0.1, 0.2]] * 5}),
        "items": pl.DataFrame({"item_id": [10, 11, 12, 13, 14, 99], "title": ["a", None, "c", "d", "e", "f"]}),
        "metrics": pl.DataFrame({"model": ["challenger"], "split": ["holdout"], "metric": ["rmse"], "value": [0.9]}),
    }


def write(folder: Path, frames: Frames) -> None:
    for table in ALL_TABLES:
        write_table(folder, table, IDS, "hash", [frames[table.name]], n_factors=2)


@pytest.fixture
def run(world: World) -> tuple[Snapshot, Path]:
    """A snapshot and the folder of a run."""
    (world.root / "items").write_text("item,title\n99,f\n")
    overrides = ('source.items={path="items",columns={item="item",title="title"}}',)
    world.load(
        HEADER + "".join(f"{user},{item},3,100\n" for user, items in RATED.items() for item in items), *overrides
    )
    return world.snapshot(*overrides), world.root / "it's"


def check(run: tuple[Snapshot, Path], frames: Frames) -> int:
    snapshot, folder = run
    write(folder, frames)
    return check_tables(folder, snapshot, IDS, top_n=2, n_factors=2, extra=())


def set_where(column: str, value: object, **where: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    condition = pl.all_horizontal(*(pl.col(name) == wanted for name, wanted in where.items()))
    return lambda frame: frame.with_columns(pl.when(condition).then(pl.lit(value)).otherwise(column).alias(column))


LIST_FAULTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "users who have ratings but not the right number of rows": lambda frame: frame[:-1],
    "ranks that are not 1..n down a list": set_where("rank", 3, user_id=1, rank=2),
    "scores that rise down a list": set_where("score", 2.0, user_id=1, rank=2),
    "items twice in one list": set_where("item_id", UNRATED[1][0], user_id=1, rank=2),
    "items that the user has rated already": set_where("item_id", 10, user_id=1, rank=2),
    "items that nobody has rated": set_where("item_id", 99, user_id=1, rank=2),
    "rows of an unknown source": set_where("source", "magic", user_id=1, rank=2),
    "predicted ratings off the scale": set_where("predicted_rating", 5.5, user_id=1, rank=2),
}


def test_sound_tables_pass(run: tuple[Snapshot, Path]) -> None:
    assert check(run, sound()) == 2 * len(ALL_TABLES) + len(LIST_FAULTS)


@pytest.mark.parametrize("fault", LIST_FAULTS)
def test_a_planted_fault_is_caught_by_its_own_check(
    run: tuple[Snapshot, Path], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    frames = sound()
    frames["recommendations"] = LIST_FAULTS[fault](frames["recommendations"])
    with pytest.raises(TablesUnsound, match=rf"sound: recommendations: 1 {fault}\. They were not published"):
        check(run, frames)
    monkeypatch.delitem(checks._LIST_FAULTS, fault)
    check(run, frames)


def test_a_stranger_and_a_forgotten_user(run: tuple[Snapshot, Path]) -> None:
    frames = sound()
    frames["recommendations"] = frames["recommendations"].with_columns(user_id=pl.col("user_id").replace(2, 77))
    with pytest.raises(TablesUnsound, match="2 users who have ratings but not"):
        check(run, frames)


@pytest.mark.parametrize(
    ("table", "column", "value", "phrase"),
    [
        ("recommendations", "score", float("nan"), "score is not finite in 1 rows"),
        ("item_biases", "mean_rating", float("inf"), "mean_rating is not finite"),
        ("user_factors", "factors", [0.1, float("nan")], "factors are not finite"),
        ("metrics", "value", float("nan"), "value is not finite"),
    ],
)
def test_a_number_that_is_none(run: tuple[Snapshot, Path], table: str, column: str, value: object, phrase: str) -> None:
    frames = sound()
    values = frames[table][column].to_list()
    frames[table] = frames[table].with_columns(pl.Series(column, [value, *values[1:]]))
    with pytest.raises(TablesUnsound, match=f"{table}: {phrase}"):
        check(run, frames)


def test_no_rows_at_all(run: tuple[Snapshot, Path]) -> None:
    frames = sound()
    frames["recommendations"] = frames["recommendations"].clear()
    with pytest.raises(TablesUnsound, match="not the right number of rows"):
        check(run, frames)


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_a_missing_a_torn_and_another_table(run: tuple[Snapshot, Path], table: Table) -> None:
    snapshot, folder = run
    write(folder, sound())
    path = folder / table.path

    def complaint() -> str:
        with pytest.raises(TablesUnsound) as caught:
            check_tables(folder, snapshot, IDS, top_n=2, n_factors=2, extra=())
        return str(caught.value)

    other = pq.read_table(path)
    pq.write_table(other.select(other.schema.names[::-1]), path)
    assert f"{table.name} does not have the declared columns and types" in complaint()
    path.write_bytes(path.read_bytes()[:-9])
    assert f"{table.name} is torn" in complaint()
    path.unlink()
    assert f"{table.name} is missing" in complaint()


def test_a_null_where_none_may_be(run: tuple[Snapshot, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    frames = sound()
    write(run[1], frames)
    table = pq.read_table(run[1] / "item_biases.parquet")
    values = pa.array([None, *table["bias"].to_pylist()[1:]], pa.float32())
    pq.write_table(table.set_column(1, "bias", values), run[1] / "item_biases.parquet")
    monkeypatch.setattr(checks, "_contract_faults", lambda *_: [])  # it would say so first
    with pytest.raises(TablesUnsound, match="item_biases: bias is null in 1 rows"):
        check_tables(run[1], run[0], IDS, top_n=2, n_factors=2, extra=())
