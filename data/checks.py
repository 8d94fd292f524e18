"""Are the tables of a run sound? Asked of the files on disk, before anybody can read them."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import TablesUnsound, first_line
from data.schemas import ALL_TABLES, Table, arrow_schema
from data.settings import IdTypes
from data.snapshot import Snapshot
from data.sql import quote_identifier, quote_literal

_MEMORY_LIMIT = "2GB"

# Each query counts what must not be there.
_LIST_FAULTS = {
    "users who have ratings but not the right number of rows": """
        with listed as (select user_id, count(*) as n from recommendations group by user_id),
             due as (select user_id, least($top_n, $n_items - n_ratings) as n from users)
        select count(*) from due full join listed using (user_id)
        where coalesce(due.n, -1) <> coalesce(listed.n, 0)""",
    "ranks that are not 1..n down a list": """
        select count(*) from (
            select user_id, count(*) as n, min(rank) as low, max(rank) as high, count(distinct rank) as kinds
                              from recommendations group by user_id)
        where low <> 1 or high <> n or kinds <> n""",
    "scores that rise down a list": """
        select count(*) from (
            select score, lag(score) over (partition by user_id order by rank) as above from recommendations)
        where score > above""",
    "items twice in one list": """
        select count(*) from (select 1 from recommendations group by user_id, item_id having count(*) > 1)""",
    "items that the user has rated already": """
        select count(*) from recommendations semi join seen using (user_id, item_id)""",
    "items that nobody has rated": """
        select count(*) from recommendations anti join rated_items using (item_id)""",
    "rows of an unknown source": """
        select count(*) from recommendations where source not in ('model', 'fold_in', 'bias')""",
    "predicted ratings off the scale": """
        select count(*) from recommendations where predicted_rating not between $low::float and $high::float""",
}


def check_tables(
    folder: Path, snapshot: Snapshot, ids: IdTypes, *, top_n: int, n_factors: int, extra: Sequence[str]
) -> int:
    """Check every table of a run folder; returns how many checks were made.

    Contract (columns, types), no null where none may be, no NaN or infinity, full coverage, right lists, no seen item.
    Raises TablesUnsound naming every fault with its count.
    """
    faults = []
    n_checks = 0
    connection = duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "autoinstall_known_extensions": False})
    try:
        for table in ALL_TABLES:
            features = extra if table.name == "items" else ()
            expected = arrow_schema(table, ids, n_factors, features)
            n_checks += 2
            if broken := _contract_faults(folder, table, expected):
                faults += broken
                continue  # its values cannot be asked for
            path = str(folder / table.pattern)
            try:
                connection.execute(
                    f"create view {quote_identifier(table.name)} as select * from read_parquet({quote_literal(path)})"
                )
                faults += _value_faults(connection, table, expected)
            except duckdb.Error as error:
                faults.append(f"{table.name} cannot be read: {first_line(error)}")
        if not faults:
            faults += _list_faults(connection, snapshot, top_n)
            n_checks += len(_LIST_FAULTS)
    finally:
        connection.close()
    if faults:
        raise TablesUnsound(
            f"the tables of this run are not sound: {'; '.join(faults)}. They were not published; what was "
            "published before stands. This is a fault of the program or the machine: keep the attempt's folder "
            "and report it."
        )
    return n_checks


def _contract_faults(folder: Path, table: Table, expected: pa.Schema) -> list[str]:
    faults = []
    for path in sorted(folder.glob(table.pattern)) or [folder / table.path]:
        if not path.is_file():
            faults.append(f"{table.name} is missing")
        elif (found := _schema(path)) is None:
            faults.append(f"{path.name} of {table.name} is torn")
        elif not found.equals(expected):
            faults.append(f"{path.name} of {table.name} does not have the declared columns and types")
    return faults


def _schema(path: Path) -> pa.Schema | None:
    try:
        return pq.read_schema(path)
    except pa.ArrowInvalid:
        return None


def _value_faults(connection: duckdb.DuckDBPyConnection, table: Table, expected: pa.Schema) -> list[str]:
    counts = []
    for column in table.columns:
        name = quote_identifier(column.name)
        kind = expected.field(column.name).type
        if not column.nullable:
            counts.append((f"{column.name} is null", f"count(*) filter ({name} is null)"))
        if pa.types.is_floating(kind):
            counts.append((f"{column.name} is not finite", f"count(*) filter (not isfinite({name}))"))
        if pa.types.is_fixed_size_list(kind):
            counts.append(
                (f"{column.name} are not finite", f"count(*) filter (not list_bool_and([isfinite(f) for f in {name}]))")
            )
    found = connection.execute(
        f"select {', '.join(sql for _, sql in counts)} from {quote_identifier(table.name)}"
    ).fetchall()[0]
    return [f"{table.name}: {what} in {n:,} rows" for (what, _), n in zip(counts, found, strict=True) if n]


def _list_faults(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, top_n: int) -> list[str]:
    ratings, users, items = (
        quote_literal(str(snapshot.folder / f"{name}.parquet")) for name in ("ratings", "users", "items")
    )
    connection.execute(f"create view users as select * from read_parquet({users})")
    connection.execute(f"create view rated_items as select * from read_parquet({items}) where n_ratings > 0")
    connection.execute(f"""
        create view seen as select users.user_id, rated_items.item_id
        from read_parquet({ratings}) join users using (user_code) join rated_items using (item_code)""")
    scale = snapshot.facts["scale"]
    known = {"top_n": top_n, "n_items": snapshot.n_items, "low": scale["min"], "high": scale["max"]}
    faults = []
    for what, sql in _LIST_FAULTS.items():
        named = {key: value for key, value in known.items() if f"${key}" in sql}
        n = connection.execute(sql, named).fetchall()[0][0]
        faults += [f"recommendations: {n:,} {what}"] if n else []
    return faults
