"""Titles and features of items and users, from their own files to the snapshot."""

import gzip
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import DataRefused, UsageError
from tests.worlds import HEADER, World

RATINGS = HEADER + "1,10,3,100\n2,11,4,101\n"
ITEMS = 'id,name,kind,year\n10,"Heat, the",crime|drama,1995\n12,"Say ""hi""",,\n10,Second line of an item,x,1\n'
ITEM_COLUMNS = '{item="id",title="name",features=["kind",4]}'


def with_items(world: World, data: bytes | str, columns: str = ITEM_COLUMNS, *more: str) -> tuple[str, ...]:
    (world.root / "items").write_bytes(data.encode() if isinstance(data, str) else data)
    return (f'source.items={{path="items",columns={columns}}}', *(f"source.items.{one}" for one in more))


def table(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_titles_and_features_reach_the_snapshot_also_of_unrated_items(world: World) -> None:
    overrides = with_items(world, ITEMS)
    world.load(RATINGS, *overrides)
    items = world.snapshot(*overrides).items().to_dicts()
    assert table(items, "item_code", "item_id", "title", "kind", "column_4", "n_ratings") == [
        (0, 10, "Heat, the", "crime|drama", "1995", 1),
        (1, 11, None, None, None, 1),
        (2, 12, 'Say "hi"', "", "", 0),
    ]


def test_the_files_of_the_last_ingestion_count(world: World) -> None:
    world.load(RATINGS, *with_items(world, ITEMS))
    overrides = with_items(world, "id,name,kind,year\n11,New,,\n")
    world.load(RATINGS, *overrides)
    assert world.rows("select item_id, title from items") == [(11, "New")]


def test_users(world: World) -> None:
    (world.root / "users").write_text("1|24|M\n2|53|F\n")
    overrides = ('source.users={path="users",delimiter="|",header=false,columns={user=1,features=[2,3]}}',)
    world.load(RATINGS, *overrides)
    assert table(world.snapshot(*overrides).users().to_dicts(), "user_id", "column_2", "column_3") == [
        (1, "24", "M"),
        (2, "53", "F"),
    ]


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (gzip.compress(ITEMS.encode()), ()),
        (ITEMS.replace("\n", "\r\n"), ()),
        (
            "10::Café::c::1\n".encode("latin-1"),
            ('delimiter="::"', 'encoding="latin-1"', "header=false", "columns={item=1,title=2,features=[3,4]}"),
        ),
    ],
)
def test_packed_and_odd_files(world: World, data: bytes | str, more: tuple[str, ...]) -> None:
    overrides = with_items(world, data, ITEM_COLUMNS, *more)
    world.load(RATINGS, *overrides)
    ((title,),) = world.rows("select title from items where item_id = 10")
    assert title in ("Heat, the", "Café")


def test_parquet(world: World) -> None:
    target = io.BytesIO()
    pq.write_table(pa.table({"id": [10, 11], "name": ["Heat", None], "kind": ["x", "y"], "year": [1995, 2000]}), target)
    overrides = with_items(world, target.getvalue(), ITEM_COLUMNS, 'format="parquet"')
    world.load(RATINGS, *overrides)
    assert world.rows("select item_id, title, features['column_4'] from items order by item_id") == [
        (10, "Heat", "1995"),
        (11, None, "2000"),
    ]


@pytest.mark.parametrize(
    ("data", "error", "phrase"),
    [
        ("id,name,kind\n10,Heat,x\n", UsageError, "asks for column 4"),
        ("id,title,kind,year\n", UsageError, "no column 'name' (source.items.columns.title)"),
        (
            "id,name,kind,year\n10,Heat,x,1\n11,Heat, the,x,1\n",
            UsageError,
            "1 lines do not have 4 columns, the first is line 3",
        ),
        ("id,name,kind,year\nten,Heat,x,1\n", UsageError, "1 lines have no integer id, the first is line 2"),
        (b"id,name,kind,year\n10,Caf\xe9,x,1\n", DataRefused, "not utf-8"),
        ("", DataRefused, "empty"),
    ],
)
def test_a_fault_ends_the_ingestion_before_anything_is_loaded(
    world: World, data: bytes | str, error: type[Exception], phrase: str
) -> None:
    world.put(RATINGS)
    with pytest.raises(error) as caught:
        world.ingest(*with_items(world, data))
    assert phrase in str(caught.value)
    assert world.ledger() == []
    assert not any(world.home.landing.iterdir())


def test_a_missing_file(world: World) -> None:
    world.put(RATINGS)
    with pytest.raises(UsageError, match=r"nowhere: no such file \(source.items.path\)"):
        world.ingest('source.items={path="nowhere",columns={item=1}}')


def test_damaged_parquet(world: World) -> None:
    world.put(RATINGS)
    with pytest.raises(UsageError, match="cannot be read"):
        world.ingest(*with_items(world, b"PAR1 no more", ITEM_COLUMNS, 'format="parquet"'))
