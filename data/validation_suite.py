"""The demands asked of Great Expectations, and its answers read: the one place that knows how it is spoken to."""

import contextlib
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import duckdb

from data.validation_demands import UNEXPECTED_ROWS, Demand

Result = dict[str, Any]


def evaluate(connection: duckdb.DuckDBPyConnection, demands: Sequence[Demand]) -> list[Result]:
    """What Great Expectations says to each demand, as JSON, in its own order; `meta.check` names the demand."""
    with _quiet():
        import great_expectations as gx
        from great_expectations.data_context.data_context.context_factory import set_context
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
            set_context(None)  # docs/decisions/0008-letting-the-context-go.md


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


def count_unexpected(result: Result) -> int | None:
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


def raised(result: Result) -> bool:
    """Whether an expectation could not be evaluated."""
    return bool(_exceptions(result))


def cause(result: Result | None) -> str:
    """The class of the error in brackets; never its message, which may quote a value."""
    traces = [str(exception.get("exception_traceback")) for exception in _exceptions(result or {})]
    classes = re.findall(r"\b(\w+(?:Error|Exception))\b", " ".join(traces))
    return f" ({classes[0]})" if classes else ""


def without_rows(result: Result) -> Result:
    """The result without rows, ids, messages and traces: only what is known to be safe."""
    safe = ("element_count", "unexpected_count", "unexpected_percent", "missing_count", "observed_value")
    return {
        "success": result["success"],
        "expectation_config": result["expectation_config"],
        "result": {key: value for key, value in result["result"].items() if key in safe},
        "raised_exception": raised(result),
    }
