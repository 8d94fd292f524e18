"""A published table: exact types, small row groups, the same bytes again."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.schemas import ALL_TABLES, ITEM_FACTORS, ITEMS, RECOMMENDATIONS, SOURCES, Table, arrow_schema
from data.settings import IdTypes
from data.tables import ROWS_PER_GROUP, write_table

IDS = IdTypes(user="string", item="integer")


def lists(n: int, first_user: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "score": [0.5] * n,
            "user_id": [f"{first_user + row:06}" for row in range(n)],
            "rank": [1] * n,
            "item_id": list(range(n)),
            "predicted_rating": [4.0] * n,
            "source": ["model"] * n,
        }
    )


def test_types_order_and_marks(tmp_path: Path) -> None:
    assert write_table(tmp_path, RECOMMENDATIONS, IDS, "hash", [lists(3)]) == 3
    schema = pq.read_schema(tmp_path / "recommendations" / "part-0.parquet")
    assert schema.equals(arrow_schema(RECOMMENDATIONS, IDS))
    assert [(field.name, str(field.type), field.nullable) for field in schema] == [
        ("user_id", "string", False),
        ("rank", "int32", False),
        ("item_id", "int64", False),
        ("score", "float", False),
        ("predicted_rating", "float", False),
        ("source", "string", False),
    ]
    assert schema.metadata[b"overnight.snapshot"] == b"hash"
    assert schema.metadata[b"overnight.schema_version"] == b"1"


@pytest.mark.parametrize("sizes", [[50_001], [1] * 5 + [50_000 - 4], [20_000, 20_000, 10_001]])
def test_row_groups_are_full_but_the_last_however_the_frames_were_cut(tmp_path: Path, sizes: list[int]) -> None:
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    write_table(
        tmp_path, RECOMMENDATIONS, IDS, "hash", [lists(n, start) for n, start in zip(sizes, starts, strict=True)]
    )
    file = pq.ParquetFile(tmp_path / "recommendations" / "part-0.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)] == [
        ROWS_PER_GROUP,
        ROWS_PER_GROUP,
        10_001,
    ]
    assert file.read()["user_id"].to_pylist() == [f"{row:06}" for row in range(50_001)]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name, frames in (
        ("one", [lists(30_000)]),
        ("two", [lists(10_000), lists(20_000, 10_000).with_columns(item_id=pl.int_range(10_000, 30_000))]),
    ):
        write_table(tmp_path / name, RECOMMENDATIONS, IDS, "hash", frames)
    one, two = ((tmp_path / name / "recommendations" / "part-0.parquet").read_bytes() for name in ("one", "two"))
    assert one == two


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    assert write_table(tmp_path, ITEMS, IDS, "hash", [], extra=["genre"]) == 0
    assert pq.read_table(tmp_path / "items.parquet").schema.names == ["item_id", "title", "genre"]


def test_factors_are_lists_of_one_length(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"item_id": [1, 2], "factors": [[0.5, 1.0], [2.0, 3.0]]}, schema_overrides={"factors": pl.Array(pl.Float32, 2)}
    )
    write_table(tmp_path, ITEM_FACTORS, IDS, "hash", [frame], n_factors=2)
    read = pq.read_table(tmp_path / "item_factors.parquet")
    assert read.schema.field("factors").type == pa.list_(pa.float32(), 2)
    assert read["factors"].to_pylist() == [[0.5, 1.0], [2.0, 3.0]]


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_every_column_says_what_it_means(table: Table) -> None:
    assert all(column.meaning.endswith(".") for column in table.columns)
    assert set(table.sorted_by) <= {column.name for column in table.columns}


def test_every_source_of_a_row_is_described() -> None:
    (meaning,) = [column.meaning for column in RECOMMENDATIONS.columns if column.name == "source"]
    assert all(f"{source} (" in meaning for source in SOURCES)
