"""The facts of the validation, by SQL: numbers about the ledger and the latest ratings.

They are read into one-row temporary tables: the costly view is evaluated once, and expectations can ask for them.
"""

from collections.abc import Mapping
from typing import Any

import duckdb

from data.sql import rows, timestamp
from data.validation_limits import Limits

Facts = Mapping[str, Any]

# A rating may sit this share of a step beside it: decimal scales such as 0.1 are not exact in binary.
STEP_TOLERANCE = 1e-6

PENDING_FILES = """
select name, n_records, n_loaded, n_duplicates, n_quarantined, n_refused from pending_files order by name"""

# One pass over the view of the latest ratings, which is the costly one.
LATEST_FACTS = """
create temp table latest_facts as
with pairs as (select count(*) as n_rows from candidate_latest group by user_id, item_id)
select
    coalesce(sum(n_rows), 0)::bigint as n_latest,
    count(*) as n_pairs,
    count(*) filter (where n_rows > 1) as n_repeated_pairs
from pairs"""

LEDGER_FACTS = """
create temp table ledger_facts as
with
shares as (
    select name, n_records, n_quarantined, coalesce(n_quarantined / nullif(n_records, 0), 0) as share
    from pending_files),
worst as (from shares order by share desc, name limit 1),
unbalanced as (
    select name from files
    where n_records is distinct from n_loaded + n_duplicates + n_quarantined + n_refused),
logged as (select file_id, count(*) as n_rows from ratings group by file_id),
mismatched as (
    select coalesce(name, 'a file that the ledger lacks') as name from files full join logged using (file_id)
    where coalesce(status, '') <> 'refused' and n_loaded is distinct from coalesce(n_rows, 0)),
newest as (select max(rated_at) filter (where isfinite(rated_at)) as rated_at from candidate_ratings)
select
    coalesce((select share from worst), 0) as worst_share,
    (select name from worst) as worst_file,
    (select n_quarantined from worst) as worst_n_quarantined,
    (select n_records from worst) as worst_n_records,
    (select count(*) from unbalanced) as n_unbalanced_files,
    (select min(name) from unbalanced) as unbalanced_file,
    (select count(*) from mismatched) as n_mismatched_files,
    (select min(name) from mismatched) as mismatched_file,
    (select count(*) from candidate_ratings) as n_candidates,
    (select count(*) from pending_ratings) as n_pending,
    (select (epoch(?::timestamp) - epoch(rated_at)) / 86400 from newest) as age_days"""

SCALE = "create temp table scale as select ?::double as low, ?::double as step, ?::double as tolerance"

# Infinities and NaN are outside the scale, which another demand says. One row with the count: never the rows.
OFF_STEP = """
select count(*) as n_rows from {batch} cross join scale
where isfinite(rating) and abs(round((rating - low) / step) - (rating - low) / step) > tolerance
having count(*) > 0"""


def gather_facts(connection: duckdb.DuckDBPyConnection, limits: Limits) -> dict[str, Any]:
    """The numbers that single columns do not hold, also left as temporary tables for the expectations."""
    connection.execute(LATEST_FACTS)
    connection.execute(LEDGER_FACTS, [timestamp(limits.as_of)])
    connection.execute(SCALE, [limits.scale_min, limits.scale_step, STEP_TOLERANCE])
    facts = rows(connection, "select * from latest_facts, ledger_facts")[0]
    return facts | {"files": rows(connection, PENDING_FILES)}
