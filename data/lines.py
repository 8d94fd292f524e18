"""A text file as the table `raw_lines`, a row a line, its line number being the row id plus one.

Row ids are positions only once committed: never read lines inside a transaction of the caller's.
"""

from pathlib import Path

import duckdb

from data.decode import PlainText, decode
from data.errors import DataRefused
from data.settings import FileFormat

# Without a delimiter a line is one field, whatever bytes it holds.
_RAW_LINES = """
create or replace temp table raw_lines as
    select raw from read_csv($path, columns = {'raw': 'varchar'}, delim = '', quote = '', escape = '',
        header = false, auto_detect = false, compression = 'none', max_line_size = 4194304)
"""


def read_lines(
    connection: duckdb.DuckDBPyConnection, copy: Path, form: FileFormat, name: str
) -> tuple[PlainText, bool]:
    """Fill `raw_lines` from a file in the landing folder; its facts, and whether any line has a quote."""
    plain = copy.with_name(".plain.tmp")
    try:
        text = decode(copy, plain, form.encoding, name)
        if text.n_lines == 0:
            raise DataRefused(
                f"{name} is empty (no line in it). Nothing of it was loaded. Have it sent again, then ingest."
            )
        connection.execute(_RAW_LINES, {"path": str(plain)})
    finally:
        plain.unlink(missing_ok=True)
    n_read, last_row, quoted = connection.execute(
        "select count(*), coalesce(max(rowid), -1), coalesce(bool_or(contains(raw, '\"')), false) from raw_lines"
    ).fetchall()[0]
    if not n_read == last_row + 1 == text.n_lines:
        raise AssertionError(
            f"{name}: {text.n_lines:,} lines in the bytes, {n_read:,} read, the last as {last_row + 1:,}"
        )
    return text, bool(quoted)
