"""docs/tables.md against data/schemas.py and against the files of a real run."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from data.schemas import ALL_TABLES, METRICS, SCHEMA_VERSION, Column, Table
from tests.docs.pages import blocks, code, page, rows, sections
from tests.nights import published

pytestmark = pytest.mark.xdist_group("docs")
DOC = page("docs/tables.md")
SECTIONS = sections(DOC, "##")
NAMES = {
    "user_id": "user id",
    "item_id": "item id",
    "float": "float32",
    "double": "float64",
    "factors": "list of float32",
}
ARROW = {
    "user id": "int64",
    "item id": "int64",
    "float32": "float",
    "float64": "double",
    "list of float32": "fixed_size_list<element: float>[8]",
}
tables = pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)


def documented(table: Table) -> list[dict[str, str]]:
    names = ("name", "type", "unit", "null", "meaning", "example")
    return [dict(zip(names, cells, strict=True)) for cells in rows(SECTIONS[table.name], "column")]


def expected(column: Column) -> dict[str, str]:
    kind = NAMES.get(column.type, column.type)
    null = "may be" if column.nullable else "never"
    return {"name": f"`{column.name}`", "type": kind, "null": null, "meaning": column.meaning}


def test_every_table_has_its_section_and_no_other_has() -> None:
    titles = [title for title, body in SECTIONS.items() if rows(body, "column")]
    assert titles == [table.name for table in ALL_TABLES]
    assert f"Schema version {SCHEMA_VERSION}." in DOC


@tables
def test_the_columns_are_those_of_the_schema(table: Table) -> None:
    found = [{key: row[key] for key in ("name", "type", "null", "meaning")} for row in documented(table)]
    assert found == [expected(column) for column in table.columns]


@tables
def test_file_rows_and_order_are_those_of_the_schema(table: Table) -> None:
    order = ", ".join(f"`{name}`" for name in table.sorted_by)
    assert f"`{table.pattern}` · one row per {table.one_row_per} · sorted by {order}\n" in SECTIONS[table.name]


@tables
def test_the_files_of_a_run_are_as_documented(table: Table, docs_home: Path) -> None:
    schema = pq.read_schema(published(docs_home) / table.path)
    features = ["genres"] if table.name == "items" else []
    assert schema.names == [code(row["name"]) for row in documented(table)] + features
    for row in documented(table):
        field = schema.field(code(row["name"]))
        assert str(field.type) == ARROW.get(row["type"], row["type"])
        assert field.nullable == (row["null"] == "may be")


@tables
def test_the_examples_are_values_of_their_type(table: Table) -> None:
    readers: dict[str, Any] = {
        "user id": int,
        "item id": int,
        "int32": int,
        "int64": int,
        "float32": float,
        "float64": float,
        "bool": ("true", "false").index,
        "string": str,
        "list of float32": lambda text: text.index("["),
    }
    for row in documented(table):
        readers[row["type"]](code(row["example"]))


def flattened(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return set().union(*(flattened(inner, f"{path}.{key}" if path else key) for key, inner in value.items()))
    if isinstance(value, list):
        return set().union(*(flattened(inner, f"{path}[]") for inner in value)) if value else {f"{path}[]"}
    return {path}


def test_the_manifest_has_the_documented_fields_and_no_others(docs_home: Path) -> None:
    real = flattened(json.loads((published(docs_home) / "manifest.json").read_text("utf-8")))
    patterns = [code(cells[0]) for cells in rows(SECTIONS["manifest.json"], "field")]

    def covers(pattern: str, path: str) -> bool:
        return path.startswith(pattern.removesuffix("…")) if pattern.endswith("…") else path == pattern

    assert not [path for path in sorted(real) if not any(covers(pattern, path) for pattern in patterns)]
    assert not [pattern for pattern in patterns if not any(covers(pattern, path) for path in real)]


def test_the_words_for_values_are_all_that_occur(docs_home: Path) -> None:
    run = published(docs_home)
    sources = set(pq.read_table(run / "recommendations", columns=["source"])["source"].to_pylist())
    assert sources == {"model", "fold_in", "bias"}
    metrics = pq.read_table(run / "metrics.parquet").to_pydict()
    meanings = {row["name"]: row["meaning"] for row in documented(METRICS)}
    for name in ("model", "split", "metric"):
        assert all(word in meanings[f"`{name}`"] for word in metrics[name])


@pytest.mark.parametrize("example", blocks(DOC, "sql"))
def test_the_sql_runs_as_written(example: str, docs_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(docs_home)
    with duckdb.connect() as connection:
        assert connection.execute(example).fetchall()


@pytest.mark.parametrize("example", blocks(DOC, "python"))
def test_the_python_runs_as_written(
    example: str, docs_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(docs_home)
    exec(compile(example, "docs/tables.md", "exec"), {})
    assert "predicted_rating" in capsys.readouterr().out


def test_the_views_are_those_of_the_tables(docs_home: Path) -> None:
    views = re.findall(r"create or replace view (\w+)", (docs_home / "views.sql").read_text("utf-8"))
    assert views == [table.name for table in ALL_TABLES]
