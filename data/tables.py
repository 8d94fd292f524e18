"""Writing a published table: one way to write Parquet, so that every file has the same form and the same bytes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from data.schemas import SCHEMA_VERSION, Table, arrow_schema
from data.settings import IdTypes

# Small enough that a reader of one user's list skips nearly all of a table, large enough to compress.
ROWS_PER_GROUP = 20_000


def write_table(
    folder: Path,
    table: Table,
    ids: IdTypes,
    snapshot_hash: str,
    frames: Iterable[pl.DataFrame],
    *,
    n_factors: int = 0,
    extra: Sequence[str] = (),
) -> int:
    """Write frames, in their order, as one Parquet file of the run in `folder`; returns the rows written.

    The metadata names the snapshot and the schema version, never a run or a clock: the same night gives the same bytes.
    """
    marks = {"overnight.schema_version": str(SCHEMA_VERSION), "overnight.snapshot": snapshot_hash}
    schema = arrow_schema(table, ids, n_factors, extra).with_metadata(marks)
    path = folder / table.path
    path.parent.mkdir(parents=True, exist_ok=True)
    sorting = pq.SortingColumn.from_ordering(schema, [(name, "ascending") for name in table.sorted_by])
    n_rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd", sorting_columns=sorting, write_page_index=True) as writer:
        for part in _groups(frames):
            writer.write_table(_typed(part, schema), row_group_size=ROWS_PER_GROUP)
            n_rows += part.height
        if n_rows == 0:
            writer.write_table(schema.empty_table())
    return n_rows


def _groups(frames: Iterable[pl.DataFrame]) -> Iterable[pl.DataFrame]:
    """The frames cut and joined so that row groups are full but for the last."""
    waiting: list[pl.DataFrame] = []
    n_waiting = 0
    for frame in frames:
        waiting.append(frame)
        n_waiting += frame.height
        if n_waiting >= ROWS_PER_GROUP:
            whole = pl.concat(waiting)
            full = n_waiting - n_waiting % ROWS_PER_GROUP
            yield whole[:full]
            waiting, n_waiting = [whole[full:]], n_waiting - full
    if n_waiting:
        yield pl.concat(waiting)


def _typed(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    arrow = frame.select(schema.names).to_arrow()
    columns = [arrow.column(field.name).cast(field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)
