"""The demands of the validation: its limits and facts as expectations, each with the words for it."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from data.validation_facts import OFF_STEP, Facts
from data.validation_limits import Limits

Severity = Literal["stop", "warn"]

# Clocks of sources run ahead; a newest rating further in the future than this has a wrong unit or zone.
FUTURE_DAYS = 1.0

UNEXPECTED_ROWS = "unexpected_rows_expectation"
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
FACT_BETWEEN = "expect_column_max_to_be_between"  # of a table with one row: the fact; fails when it is null

NO_TIMESTAMPS = "the source has no timestamps"


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
