"""The validation: what the candidate ratings must satisfy before their files count.

Three steps. `gather_facts` reads numbers about the ledger and the latest ratings into one-row temporary tables, so that
the costly view is evaluated once. `write_demands` turns the limits into demands. Great Expectations judges them in SQL,
and `conclude` compares what it evaluated with what was written: a suite passes vacuously when it lost a part.
"""

import contextlib
import logging
import re
import statistics
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import duckdb

from data.errors import MachineError

Severity = Literal["stop", "warn"]
Facts = Mapping[str, Any]
Result = dict[str, Any]

# A rating may sit this share of a step beside it: decimal scales such as 0.1 are not exact in binary.
STEP_TOLERANCE = 1e-6
# Clocks of sources run ahead; a newest rating further in the future than this has a wrong unit or zone.
FUTURE_DAYS = 1.0

UNEXPECTED_ROWS = "unexpected_rows_expectation"
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
FACT_BETWEEN = "expect_column_max_to_be_between"  # of a table with one row: the fact; fails when it is null

NO_TIMESTAMPS = "the source has no timestamps"


@dataclass(frozen=True)
class Limits:
    """What the source promises and the operator tolerates.

    previous_volumes   rows that each of the last nights with new rows added, newest last
    as_of              UTC, the moment against which the newest rating is old; max_age_days only ever warns
    """

    scale_min: float
    scale_max: float
    scale_step: float | None
    has_timestamps: bool
    max_quarantined_share: float
    previous_volumes: tuple[int, ...]
    min_volume_ratio: float
    max_volume_ratio: float
    min_nights_for_volume: int
    max_age_days: float | None
    as_of: datetime


@dataclass(frozen=True)
class Demand:
    """One expectation as written, and the words for it; `observed` says a fact, other counts come from the result."""

    name: str
    sentence: str
    subject: str
    limit: str
    table: str
    expectation: str
    arguments: dict[str, Any]
    severity: Severity = "stop"
    observed: Callable[[Facts], str] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Check:
    """One demand, judged. Not evaluated is not passed."""

    name: str
    sentence: str
    severity: Severity
    passed: bool
    evaluated: bool
    subject: str
    observed: str
    limit: str
    n_unexpected: int | None

    @property
    def stops(self) -> bool:
        """Whether it keeps the files out."""
        return not self.passed and (self.severity == "stop" or not self.evaluated)

    def __str__(self) -> str:
        return f"{self.subject}: {self.observed}, the limit is {self.limit}"


@dataclass(frozen=True)
class Validation:
    """The verdict. `document` is JSON: the same, the facts, the limits and Great Expectations' results without rows."""

    passed: bool
    checks: tuple[Check, ...]
    n_evaluated: int
    n_written: int
    document: dict[str, Any]

    def failures(self) -> list[str]:
        """A sentence for each reason why it did not pass."""
        said = [str(check) for check in self.checks if check.stops]
        if not self.n_evaluated == self.n_written > 0:
            said.append(f"expectations evaluated: {self.n_evaluated}, the limit is all {self.n_written} and at least 1")
        return said

    def warnings(self) -> list[str]:
        """A sentence for each check that failed and only warns."""
        return [str(check) for check in self.checks if not check.passed and not check.stops]


def validate(warehouse: Path, limits: Limits, memory_limit: str = "2GB") -> Validation:
    """Judge the pending files together with the accepted ones; the file is opened read-only and closed again.

    The caller has closed its own connection: DuckDB refuses a writer and a reader in one process.
    Raises MachineError when the warehouse cannot be read; an expectation that could not be evaluated does not pass.
    """
    from data.duckdb_dialect import open_read_only

    try:
        with contextlib.closing(open_read_only(warehouse, memory_limit)) as connection:
            facts = gather_facts(connection, limits)
            demands, not_judged = write_demands(limits, facts)
            results = evaluate(connection, demands)
    except duckdb.Error as error:  # its text may quote a value
        raise MachineError(
            f"{warehouse.name}: the validation could not read it ({type(error).__name__}). No file was accepted or"
            " refused. See that nothing else has it open, and that disk and memory suffice, then run again."
        ) from None
    return conclude(limits, facts, demands, results, not_judged)


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
    connection.execute(LEDGER_FACTS, [limits.as_of.astimezone(UTC).replace(tzinfo=None)])
    connection.execute(SCALE, [limits.scale_min, limits.scale_step, STEP_TOLERANCE])
    facts = _rows(connection, "select * from latest_facts, ledger_facts")[0]
    return facts | {"files": _rows(connection, PENDING_FILES)}


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def write_demands(limits: Limits, facts: Facts) -> tuple[list[Demand], dict[str, str]]:
    """The demands, and the names of those that there is nothing to judge by, each with the reason."""
    demands = [_has_ratings(), *(_not_null(column) for column in ("user_id", "item_id", "rating"))]
    demands += [_in_scale(limits), _one_latest(), _quarantined(limits), _balanced(), _log_agrees()]
    not_judged: dict[str, str] = {}
    for name, demand_or_reason in {
        "rated_at_not_null": _not_null("rated_at") if limits.has_timestamps else NO_TIMESTAMPS,
        "rating_on_step": _on_step(limits),
        "volume_usual": _volume(limits, facts),
        "newest_rating_fresh": _fresh(limits),
    }.items():
        if isinstance(demand_or_reason, Demand):
            demands.append(demand_or_reason)
        else:
            not_judged[name] = demand_or_reason
    return demands, not_judged


def _of_rows(name: str, sentence: str, subject: str, expectation: str, **arguments: Any) -> Demand:
    """A demand on every candidate rating."""
    return Demand(name, sentence, subject, "0", "candidate_ratings", expectation, arguments)


def _has_ratings() -> Demand:
    return Demand(
        name="has_ratings",
        sentence="There is at least one rating: an empty table would pass everything else.",
        subject="latest ratings",
        limit="at least 1",
        table="latest_facts",
        expectation=FACT_BETWEEN,
        arguments={"column": "n_latest", "min_value": 1},
        observed=lambda facts: f"{facts['n_latest']:,}",
    )


def _not_null(column: str) -> Demand:
    said = f"Every rating has its {column}.", f"ratings without {column}"
    return _of_rows(f"{column}_not_null", *said, NOT_NULL, column=column)


def _in_scale(limits: Limits) -> Demand:
    """NaN and infinities fail: DuckDB orders NaN above every number."""
    low, high = float(limits.scale_min), float(limits.scale_max)
    said = f"Every rating is a number within {low}..{high}.", f"ratings outside {low}..{high}"
    return _of_rows("rating_in_scale", *said, BETWEEN, column="rating", min_value=low, max_value=high)


def _on_step(limits: Limits) -> Demand | str:
    if limits.scale_step is None:
        return "the source names no step"
    steps = f"steps of {limits.scale_step:g} from {limits.scale_min:g}"
    said = f"Every rating lies on {steps}.", f"ratings beside the {steps}"
    return _of_rows("rating_on_step", *said, UNEXPECTED_ROWS, unexpected_rows_query=OFF_STEP)


def _one_latest() -> Demand:
    return Demand(
        name="one_latest_rating_a_pair",
        sentence="A user and an item have one latest rating.",
        subject="pairs with several latest ratings",
        limit="0",
        table="latest_facts",
        expectation=FACT_BETWEEN,
        arguments={"column": "n_repeated_pairs", "max_value": 0},
        observed=lambda facts: f"{facts['n_repeated_pairs']:,} of {facts['n_pairs']:,} pairs",
    )


def _quarantined(limits: Limits) -> Demand:
    return Demand(
        name="quarantined_share",
        sentence="In every pending file, few records are in quarantine.",
        subject="quarantined records of the worst pending file",
        limit=_percent(limits.max_quarantined_share),
        table="ledger_facts",
        expectation=FACT_BETWEEN,
        arguments={"column": "worst_share", "max_value": limits.max_quarantined_share},
        observed=_worst_file,
    )


def _worst_file(facts: Facts) -> str:
    if not facts["worst_n_records"]:
        return "none"
    counts = f"{facts['worst_n_quarantined'] or 0:,} of {facts['worst_n_records']:,} records"
    return f"{counts} ({_percent(facts['worst_share'])}) of {facts['worst_file']}"


def _balanced() -> Demand:
    return Demand(
        name="records_add_up",
        sentence="In every file, records = loaded + duplicates + quarantined + refused.",
        subject="files whose records do not add up",
        limit="0",
        table="ledger_facts",
        expectation=FACT_BETWEEN,
        arguments={"column": "n_unbalanced_files", "max_value": 0},
        observed=lambda facts: _files(facts["n_unbalanced_files"], facts["unbalanced_file"]),
    )


def _log_agrees() -> Demand:
    return Demand(
        name="log_agrees_with_ledger",
        sentence="Of every pending or accepted file, the log holds as many rows as the ledger says were loaded.",
        subject="files whose rows in the log differ from the ledger",
        limit="0",
        table="ledger_facts",
        expectation=FACT_BETWEEN,
        arguments={"column": "n_mismatched_files", "max_value": 0},
        observed=lambda facts: _files(facts["n_mismatched_files"], facts["mismatched_file"]),
    )


def _volume(limits: Limits, facts: Facts) -> Demand | str:
    n_nights = len(limits.previous_volumes)
    if not facts["n_pending"]:
        return "no new rows tonight"
    if n_nights < max(limits.min_nights_for_volume, 1):
        return f"earlier nights with new rows: {n_nights}, {limits.min_nights_for_volume} are needed"
    median = statistics.median(limits.previous_volumes)
    low, high = limits.min_volume_ratio * median, limits.max_volume_ratio * median
    return Demand(
        name="volume_usual",
        sentence=f"Tonight adds about as many rows as the last {n_nights} nights with new rows did.",
        subject="rows of the pending files",
        limit=f"{low:,.0f} to {high:,.0f}, {limits.min_volume_ratio:g} to {limits.max_volume_ratio:g} times the median",
        table="ledger_facts",
        expectation=FACT_BETWEEN,
        arguments={"column": "n_pending", "min_value": low, "max_value": high},
        observed=lambda facts: f"{facts['n_pending']:,}",
    )


def _fresh(limits: Limits) -> Demand | str:
    if not limits.has_timestamps:
        return NO_TIMESTAMPS
    if limits.max_age_days is None:
        return "no limit is set"
    return Demand(
        name="newest_rating_fresh",
        sentence=f"The newest rating is at most {limits.max_age_days:g} days old and not from the future.",
        subject="age of the newest rating",
        limit=f"{limits.max_age_days:g} days, or {FUTURE_DAYS:g} ahead",
        table="ledger_facts",
        expectation=FACT_BETWEEN,
        arguments={"column": "age_days", "min_value": -FUTURE_DAYS, "max_value": limits.max_age_days},
        severity="warn",
        observed=lambda facts: "unknown" if facts["age_days"] is None else f"{facts['age_days']:,.1f} days",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _files(n_files: int, first: str | None) -> str:
    return f"{n_files:,} ({first})" if first else f"{n_files:,}"


def evaluate(connection: duckdb.DuckDBPyConnection, demands: Sequence[Demand]) -> list[Result]:
    """What Great Expectations says to each demand, as JSON, in its own order; `meta.check` names the demand."""
    with _quiet():
        import great_expectations as gx
        from great_expectations.data_context.types import base

        from data.duckdb_dialect import URL, BorrowedConnection, Loan

        config = base.DataContextConfig(
            store_backend_defaults=base.InMemoryStoreBackendDefaults(),
            progress_bars=base.ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        )
        context = gx.get_context(mode="ephemeral", project_config=config)
        loan = Loan(connection)
        options: Any = {"creator": lambda: BorrowedConnection(loan)}
        source = context.data_sources.add_sql("warehouse", connection_string=URL, kwargs=options)  # type: ignore[call-arg]
        in_turn = sorted(demands, key=_suite_of)
        try:
            return [
                result for suite, group in groupby(in_turn, _suite_of) for result in _ask(source, suite, list(group))
            ]
        finally:
            loan.end()


def _suite_of(demand: Demand) -> tuple[str, bool]:
    """Demands asked together: same table and, because the format of the result is a suite's, with its rows or not."""
    return demand.table, demand.expectation == UNEXPECTED_ROWS


def _ask(source: Any, suite: tuple[str, bool], demands: Iterable[Demand]) -> list[Result]:
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    table, with_rows = suite
    name = f"{table}, rows of a query" if with_rows else table
    severities = {"stop": FailureSeverity.CRITICAL, "warn": FailureSeverity.WARNING}
    expectations = [
        ExpectationConfiguration(
            type=demand.expectation,
            kwargs=demand.arguments,
            meta={"check": demand.name},
            severity=severities[demand.severity],
        )
        for demand in demands
    ]
    batch = source.add_table_asset(name, table_name=table).add_batch_definition_whole_table("all").get_batch()
    shape = {"result_format": "COMPLETE" if with_rows else "BASIC", "exclude_unexpected_values": True}
    judged = batch.validate(ExpectationSuite(name=name, expectations=expectations), result_format=shape)
    results: list[Result] = judged.to_json_dict()["results"]
    return results


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Great Expectations without its log lines and deprecation warnings, which may quote values; others stay."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="great_expectations")
        try:
            yield
        finally:
            logger.setLevel(level)


def conclude(
    limits: Limits,
    facts: Facts,
    demands: Sequence[Demand],
    results: Sequence[Result],
    not_judged: Mapping[str, str] = MappingProxyType({}),
) -> Validation:
    """The verdict: every demand that stops is met, and as many expectations were evaluated as written, at least one."""
    by_name = {result["expectation_config"]["meta"]["check"]: result for result in results}
    checks = tuple(_check(demand, by_name.get(demand.name), facts) for demand in demands)
    n_written, n_evaluated = len(demands), sum(not _raised(result) for result in results)
    passed = n_evaluated == n_written > 0 and not any(check.stops for check in checks)
    as_of = limits.as_of.isoformat()
    document = {
        "passed": passed,
        "as_of": as_of,
        "n_evaluated": n_evaluated,
        "n_written": n_written,
        "checks": [asdict(check) for check in checks],
        "not_judged": dict(not_judged),
        "files": facts["files"],
        "facts": {name: fact for name, fact in facts.items() if name != "files"},
        "limits": asdict(limits) | {"as_of": as_of, "previous_volumes": list(limits.previous_volumes)},
        "great_expectations": [_without_rows(result) for result in results],
    }
    return Validation(passed, checks, n_evaluated, n_written, document)


def _check(demand: Demand, result: Result | None, facts: Facts) -> Check:
    evaluated = result is not None and not _raised(result)
    n_unexpected = _n_unexpected(result) if result and evaluated else None
    return Check(
        name=demand.name,
        sentence=demand.sentence,
        severity=demand.severity,
        passed=bool(result and evaluated and result["success"]),
        evaluated=evaluated,
        subject=demand.subject,
        observed=_observed(demand, n_unexpected, facts) if evaluated else f"not evaluated{_cause(result)}",
        limit=demand.limit,
        n_unexpected=n_unexpected,
    )


def _observed(demand: Demand, n_unexpected: int | None, facts: Facts) -> str:
    if demand.observed:
        return demand.observed(facts)
    return f"{n_unexpected or 0:,} of {facts['n_candidates']:,} rows"


def _n_unexpected(result: Result) -> int | None:
    """The rows that broke the demand; None where it was about a fact."""
    found: dict[str, Any] = result["result"]
    if "details" in found:
        return sum(int(row["n_rows"]) for row in found["details"]["unexpected_rows"])
    if "unexpected_count" in found:
        return int(found["unexpected_count"] or 0)  # null for an empty table
    return None


def _exceptions(result: Result) -> list[dict[str, Any]]:
    """Great Expectations says what was raised directly, or once for each metric under the metric's id."""
    info = result.get("exception_info") or {}
    candidates = [info] if "raised_exception" in info else info.values()
    return [exception for exception in candidates if exception.get("raised_exception")]


def _raised(result: Result) -> bool:
    return bool(_exceptions(result))


def _cause(result: Result | None) -> str:
    """The class of the error in brackets; never its message, which may quote a value."""
    traces = [str(exception.get("exception_traceback")) for exception in _exceptions(result or {})]
    classes = re.findall(r"\b(\w+(?:Error|Exception))\b", " ".join(traces))
    return f" ({classes[0]})" if classes else ""


def _without_rows(result: Result) -> Result:
    """The result without rows, ids, messages and traces: only what is known to be safe."""
    safe = ("element_count", "unexpected_count", "unexpected_percent", "missing_count", "observed_value")
    return {
        "success": result["success"],
        "expectation_config": result["expectation_config"],
        "result": {key: value for key, value in result["result"].items() if key in safe},
        "raised_exception": _raised(result),
    }
