"""The contract of a source as SQL: raw lines in, typed ratings and reasons out.

Every field is read as text, matched in full against the contract and only then cast: a typed reader
turns `1.7` into 2, `0x1F` into 31 and `1e400` into infinity without a word.
"""

from collections.abc import Callable

from data.errors import UsageError
from data.settings import IdType, SourceSettings
from data.sql import quote_identifier, quote_literal

# Columns of the staged table, whatever the format: text in, one row a record.
STAGED = ("user_text", "item_text", "rating_text", "time_text")

CHECKED = """
create or replace temp table checked as
    with typed as (
        select *,
            {user_id} as user_id,
            {item_id} as item_id,
            case when regexp_full_match(rating_text, '[+-]?[0-9]{{1,18}}([.][0-9]{{1,18}})?([eE][+-]?[0-9]{{1,3}})?')
                 then try_cast(rating_text as double) end as rating,
            {rated_at} as rated_at
        from staged
    ), judged as (
        select *,
            case when line = $unterminated then 'unterminated_line'
                 when not whole then 'wrong_columns'
                 when user_id is null then 'bad_user_id'
                 when item_id is null then 'bad_item_id'
                 when rating is null then 'bad_rating'
                 when rating not between $low and $high then 'rating_off_scale'
                 when abs((rating - $low) / $step - round((rating - $low) / $step)) > 1e-9 then 'rating_between_steps'
                 when $timed and rated_at is null then 'bad_timestamp'
                 when rated_at > $latest then 'timestamp_in_future'
                 when rated_at < timestamp '1970-01-01' then 'timestamp_before_1970'
            end as reason
        from typed
    )
    select line, case when reason is not null then raw end as raw, user_id, item_id, rating, rated_at, reason
    from judged
"""

_IDS = {
    # An integer has one spelling: no sign but a minus, no leading zero.
    "integer": "case when regexp_full_match({0}, '0|-?[1-9][0-9]{{0,18}}') then try_cast({0} as bigint) end",
    "string": "case when octet_length(encode({0})) between 1 and 128 then {0} end",
}
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
# Stricter than the cast, which reads 24:00 as the next day and an offset of 99 hours.
_ISO = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?"
    "(Z|[+-](0[0-9]|1[0-4])(:?[0-9]{2})?)?)?"
)


def positions(source: SourceSettings, header: list[str], name: str) -> dict[str, int]:
    """Where each rating field stands in a line, from 1; timestamp is absent if the source has none.

    Raises UsageError for a name that the header lacks or has twice.
    """
    wanted = {key: value for key, value in source.columns.model_dump().items() if value is not None}
    return {key: column_position(value, header, name, f"source.columns.{key}") for key, value in wanted.items()}


def column_position(column: str | int, header: list[str], name: str, setting: str) -> int:
    """The position of one column, from 1, by its name or its position."""
    if isinstance(column, int):
        if 1 <= column <= len(header):
            return column
        fault = f"has {len(header)} columns, {setting} asks for column {column}"
    elif header.count(column) == 1:
        return header.index(column) + 1
    elif column in header:
        fault = f"has more than one column {column!r} ({setting})"
    else:
        fault = (
            f"has no column {column!r} ({setting}) among the {len(header)} of its first line{_similar(column, header)}"
        )
    raise UsageError(f"{name} {fault}. Nothing of this file was loaded. Correct the configuration or the file.")


def _similar(column: str, header: list[str]) -> str:
    """A hint at a header that differs in case or punctuation only; other fields may be a rating and are not shown."""

    def letters(name: str) -> str:
        return "".join(character for character in name.casefold() if character.isalnum())

    meant = [name for name in header if letters(name) == letters(column)]
    return f" (did you mean {meant[0]!r}?)" if meant else " (is it a header?)"


def staged_from_lines(source: SourceSettings, where: dict[str, int], n_columns: int, quoted: bool) -> str:
    """The SQL that splits raw lines into the staged columns; blank lines are no records."""
    texts = [f"fields[{where[key]}]" if key in where else "null" for key in ("user", "item", "rating", "timestamp")]
    named = ", ".join(f"{text} as {column}" for text, column in zip(texts, STAGED, strict=True))
    return f"""
    create or replace temp view staged as
        with split as (
            select rowid + 1 as line, raw, {fields_sql(source.delimiter, quoted)} as fields
            from raw_lines where rowid >= {int(source.header)} and raw is not null and raw <> '')
        select line, raw, coalesce(len(fields) = {int(n_columns)}, false) as whole, {named} from split"""


def fields_sql(delimiter: str, quoted: bool) -> str:
    """The SQL of a raw line's fields; null where its quotes do not close. Longer delimiters know no quotes."""
    return _quoted_split(delimiter) if quoted and len(delimiter) == 1 else _plain_split(delimiter)


def id_sql(kind: IdType, column: str) -> str:
    """The SQL of a text as id of this kind; null where it is not spelt like one."""
    return _IDS[kind].format(column)


def split_line(line: str, delimiter: str) -> list[str]:
    """The fields of one line, as `fields_sql` splits it; for the header."""
    if '"' not in line or len(delimiter) > 1:
        return line.split(delimiter)
    fields, quoted, field = [], False, ""
    for character in line:
        if character == delimiter and not quoted:
            fields.append(field)
            field = ""
        else:
            quoted ^= character == '"'
            field += character
    return [_unquote(text) for text in [*fields, field]]


def staged_from_parquet(source: SourceSettings, types: dict[str, str], name: str) -> str:
    """The SQL that brings Parquet columns into the staged shape; only types that widen without loss are let through."""
    columns = {key: value for key, value in source.columns.model_dump().items() if value is not None}
    header = list(types)
    texts = []
    for key in ("user", "item", "rating", "timestamp"):
        if key not in columns:
            texts.append("null")
            continue
        column = header[column_position(columns[key], header, name, f"source.columns.{key}") - 1]
        texts.append(_parquet_text(key, quote_identifier(column), types[column], source, name))
    named = ", ".join(f"{text} as {column}" for text, column in zip(texts, STAGED, strict=True))
    return f"""
    create or replace temp table staged as
        select row_number() over () as line, true as whole, {named},
               concat_ws(',', user_text, item_text, rating_text, time_text) as raw
        from read_parquet($path)"""


def checked_sql(source: SourceSettings, parquet_times: bool = False) -> str:
    """The SQL of the table `checked`: typed values, and the first reason against each row."""
    timed = source.columns.timestamp is not None
    unit = "us" if parquet_times else source.timestamp_unit
    return CHECKED.format(
        user_id=id_sql(source.ids.user, "user_text"),
        item_id=id_sql(source.ids.item, "item_text"),
        rated_at=_time_sql(unit) if timed else "cast(null as timestamp)",
    )


def is_time_type(sql_type: str) -> bool:
    """Whether a Parquet column holds points in time rather than numbers."""
    return sql_type.startswith(("TIMESTAMP", "DATE")) and not sql_type.endswith("]")


def _time_sql(unit: str) -> str:
    if unit == "iso":
        return (
            f"case when regexp_full_match(time_text, '{_ISO}') "
            "then try_cast(try_cast(time_text as timestamptz) at time zone 'UTC' as timestamp) end"
        )
    return (
        "case when regexp_full_match(time_text, '-?[0-9]{1,18}') "
        f"then try(make_timestamp(try_cast(time_text as bigint) * {_MICROSECONDS[unit]})) end"
    )


def _plain_split(delimiter: str) -> str:
    return f"string_split(raw, {quote_literal(delimiter)})"


def _quoted_split(delimiter: str) -> str:
    """Fields with optional double quotes (RFC 4180); a line that does not come together again has no fields."""
    escaped = f"\\x{{{ord(delimiter):x}}}"
    pattern = quote_literal(f'{escaped}("(?:[^"]|"")*"|[^"{escaped}]*)')
    fields = f"regexp_extract_all({quote_literal(delimiter)} || raw, {pattern}, 1)"
    unquoted = (
        "list_transform({0}, lambda f: case when starts_with(f, '\"') then replace(f[2:-2], '\"\"', '\"') else f end)"
    )
    return (
        f"case when not contains(raw, '\"') then {_plain_split(delimiter)} "
        f"when array_to_string({fields}, {quote_literal(delimiter)}) = raw then {unquoted.format(fields)} end"
    )


def _unquote(text: str) -> str:
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_NUMBERS = (*_INTEGERS, "FLOAT", "DOUBLE")


def _parquet_text(key: str, column: str, sql_type: str, source: SourceSettings, name: str) -> str:
    allowed: Callable[[], bool] = {
        "user": lambda: sql_type in (_INTEGERS if source.ids.user == "integer" else ("VARCHAR",)),
        "item": lambda: sql_type in (_INTEGERS if source.ids.item == "integer" else ("VARCHAR",)),
        "rating": lambda: sql_type in _NUMBERS or (sql_type.startswith("DECIMAL(") and sql_type.endswith(")")),
        "timestamp": lambda: (
            is_time_type(sql_type) or sql_type in (_INTEGERS if source.timestamp_unit != "iso" else ("VARCHAR",))
        ),
    }[key]
    if not allowed():
        raise UsageError(
            f"{name}: column {column} ({key}) is {sql_type}, which does not widen to what the configuration "
            "declares without loss. Nothing of this file was loaded. Correct source.ids, source.timestamp_unit "
            "or the file."
        )
    if key == "timestamp" and is_time_type(sql_type):
        return f"cast(epoch_us(cast({column} as timestamp)) as varchar)"
    return f"cast({column} as varchar)"
