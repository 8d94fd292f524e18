"""The validation: what the candidate ratings must satisfy before their files count.

Three steps. `gather_facts` reads numbers out of the warehouse. `write_demands` turns the limits into demands. Great
Expectations judges them in SQL, and `conclude` compares what it evaluated with what was written: a suite passes
vacuously when it lost a part.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from data.errors import MachineError
from data.validation_demands import Demand, Severity, write_demands
from data.validation_facts import Facts, gather_facts
from data.validation_limits import Limits
from data.validation_suite import Result, cause, count_unexpected, evaluate, raised, without_rows

__all__ = ["Check", "Limits", "Validation", "conclude", "validate"]


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
    from data.warehouse import open_read_only

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
    n_written, n_evaluated = len(demands), sum(not raised(result) for result in results)
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
        "great_expectations": [without_rows(result) for result in results],
    }
    return Validation(passed, checks, n_evaluated, n_written, document)


def _check(demand: Demand, result: Result | None, facts: Facts) -> Check:
    evaluated = result is not None and not raised(result)
    n_unexpected = count_unexpected(result) if result and evaluated else None
    return Check(
        name=demand.name,
        sentence=demand.sentence,
        severity=demand.severity,
        passed=bool(result and evaluated and result["success"]),
        evaluated=evaluated,
        subject=demand.subject,
        observed=_observed(demand, n_unexpected, facts) if evaluated else f"not evaluated{cause(result)}",
        limit=demand.limit,
        n_unexpected=n_unexpected,
    )


def _observed(demand: Demand, n_unexpected: int | None, facts: Facts) -> str:
    if demand.observed:
        return demand.observed(facts)
    return f"{n_unexpected or 0:,} of {facts['n_candidates']:,} rows"
