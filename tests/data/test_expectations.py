"""Every check passes on sound ratings and fails on its planted fault; nothing passes because nothing was asked."""

import contextlib
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data.errors import MachineError
from data.expectations import Limits, Validation, conclude, validate
from data.validation_demands import FACT_BETWEEN, Demand, write_demands

LIMITS = Limits(
    scale_min=0.5,
    scale_max=5.0,
    scale_step=0.5,
    has_timestamps=True,
    max_quarantined_share=0.1,
    previous_volumes=(20, 20, 30),
    min_volume_ratio=0.1,
    max_volume_ratio=10.0,
    min_nights_for_volume=3,
    max_age_days=30,
    as_of=datetime(2026, 1, 20, tzinfo=UTC),
)

# One accepted file of 40 ratings, one pending of 20 with 22 records, one refused that counts nowhere.
SOUND = """
create table files (
    file_id bigint, name varchar, sha256 varchar, size_bytes bigint, status varchar, n_records bigint, n_loaded bigint,
    n_duplicates bigint, n_quarantined bigint, n_refused bigint, ingested_at timestamp);
insert into files values
    (1, 'first.csv', 'a', 1, 'accepted', 40, 40, 0, 0, 0, timestamp '2026-01-01'),
    (2, 'second.csv', 'b', 1, 'pending', 22, 20, 1, 1, 0, timestamp '2026-01-02'),
    (3, 'third.csv', 'c', 1, 'refused', 9, 0, 0, 0, 9, timestamp '2026-01-02');
create table ratings (
    user_id varchar, item_id bigint, rating double, rated_at timestamp, file_id bigint, line bigint);
insert into ratings select
    'CANARY-' || i % 6, i // 6, 0.5 * (1 + i % 10), timestamp '2026-01-10' + to_hours(i), if(i < 40, 1, 2), i
from range(60) t(i);
create view pending_files as select * from files where status = 'pending';
create view pending_ratings as select ratings.* from ratings semi join pending_files using (file_id);
create view candidate_ratings as
    select ratings.* from ratings semi join (select file_id from files where status <> 'refused') using (file_id);
create view candidate_latest as
    select user_id, item_id, rating, rated_at from candidate_ratings
    qualify row_number() over (partition by user_id, item_id order by rated_at desc nulls last, file_id desc) = 1;
"""

Judge = Callable[..., Validation]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Validates sound ratings after the statements that plant a fault."""

    def judged(*faults: str, limits: Limits = LIMITS) -> Validation:
        path = tmp_path / "warehouse.duckdb"
        with contextlib.closing(duckdb.connect(path)) as connection:
            connection.execute(SOUND + ";".join(faults))
        return validate(path, limits, memory_limit="500MB")

    return judged


def failed(validation: Validation) -> set[str]:
    return {check.name for check in validation.checks if not check.passed}


def test_sound_ratings_pass_every_check(judge: Judge) -> None:
    validation = judge()

    assert validation.passed
    assert validation.failures() == validation.warnings() == []
    assert validation.n_evaluated == validation.n_written == len(validation.checks) == 13
    assert {check.name: check.observed for check in validation.checks} == {
        "has_ratings": "60",
        "user_id_not_null": "0 of 60 rows",
        "item_id_not_null": "0 of 60 rows",
        "rating_not_null": "0 of 60 rows",
        "rated_at_not_null": "0 of 60 rows",
        "rating_in_scale": "0 of 60 rows",
        "rating_on_step": "0 of 60 rows",
        "one_latest_rating_a_pair": "0 of 60 pairs",
        "quarantined_share": "1 of 22 records (4.55 %) of second.csv",
        "records_add_up": "0",
        "log_agrees_with_ledger": "0",
        "volume_usual": "20",
        "newest_rating_fresh": "7.5 days",
    }
    assert validation.document["not_judged"] == {}


SECOND_LATEST = (
    "create or replace view candidate_latest as"
    " from (select user_id, item_id, rating, rated_at from candidate_ratings)"
    " union all (select user_id, item_id, rating, rated_at from candidate_ratings where line < 2)"
)
HUNDREDFOLD = (
    "insert into ratings select 'CANARY-x' || i, i, 1, timestamp '2026-01-11', 2, i from range(1980) t(i)",
    "update files set n_loaded = 2000, n_records = 2002 where file_id = 2",
)
FAULTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "null user": (
        ("update ratings set user_id = null where line = 3",),
        "user_id_not_null",
        "ratings without user_id: 1 of 60 rows, the limit is 0",
    ),
    "null item": (
        ("update ratings set item_id = null where line = 3",),
        "item_id_not_null",
        "ratings without item_id: 1 of 60 rows, the limit is 0",
    ),
    "null rating": (
        ("update ratings set rating = null where line in (3, 4)",),
        "rating_not_null",
        "ratings without rating: 2 of 60 rows, the limit is 0",
    ),
    "null time": (
        ("update ratings set rated_at = null where line = 3",),
        "rated_at_not_null",
        "ratings without rated_at: 1 of 60 rows, the limit is 0",
    ),
    "rating 9": (
        ("update ratings set rating = 9 where line in (3, 50)",),
        "rating_in_scale",
        "ratings outside 0.5..5.0: 2 of 60 rows, the limit is 0",
    ),
    "rating NaN": (
        ("update ratings set rating = 'nan' where line = 3",),
        "rating_in_scale",
        "ratings outside 0.5..5.0: 1 of 60 rows, the limit is 0",
    ),
    "rating infinite": (
        ("update ratings set rating = '-inf' where line = 3",),
        "rating_in_scale",
        "ratings outside 0.5..5.0: 1 of 60 rows, the limit is 0",
    ),
    "rating beside the steps": (
        ("update ratings set rating = 0.7 where line in (3, 4, 50)",),
        "rating_on_step",
        "ratings beside the steps of 0.5 from 0.5: 3 of 60 rows, the limit is 0",
    ),
    "two latest ratings": (
        (SECOND_LATEST,),
        "one_latest_rating_a_pair",
        "pairs with several latest ratings: 2 of 60 pairs, the limit is 0",
    ),
    "full quarantine": (
        ("update files set n_quarantined = 10, n_records = 31 where file_id = 2",),
        "quarantined_share",
        "quarantined records of the worst pending file: 10 of 31 records (32.3 %) of second.csv, the limit is 10 %",
    ),
    "lost records": (
        ("update files set n_records = 41 where file_id = 1",),
        "records_add_up",
        "files whose records do not add up: 1 (first.csv), the limit is 0",
    ),
    "lost rows": (
        ("delete from ratings where line = 3",),
        "log_agrees_with_ledger",
        "files whose rows in the log differ from the ledger: 1 (first.csv), the limit is 0",
    ),
    "rows of no file": (
        ("insert into ratings values ('CANARY-0', 1, 1, timestamp '2026-01-10', 77, 1)",),
        "log_agrees_with_ledger",
        "files whose rows in the log differ from the ledger: 1 (a file that the ledger lacks), the limit is 0",
    ),
    "a hundred times the rows": (
        HUNDREDFOLD,
        "volume_usual",
        "rows of the pending files: 2,000, the limit is 2 to 200, 0.1 to 10 times the median",
    ),
    "empty tables": (
        ("delete from ratings", "delete from files"),
        "has_ratings",
        "latest ratings: 0, the limit is at least 1",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_fails_its_check_and_no_other(judge: Judge, fault: str) -> None:
    statements, check, sentence = FAULTS[fault]

    validation = judge(*statements, limits=replace(LIMITS, max_age_days=None))

    assert not validation.passed
    assert failed(validation) == {check}
    assert validation.failures() == [sentence]
    json.dumps(validation.document, allow_nan=False)


@pytest.mark.parametrize(
    ("as_of", "age"), [(datetime(2026, 3, 1, tzinfo=UTC), "47.5 days"), (datetime(2026, 1, 9, tzinfo=UTC), "-3.5 days")]
)
def test_old_ratings_and_ratings_from_the_future_only_warn(judge: Judge, as_of: datetime, age: str) -> None:
    validation = judge(limits=replace(LIMITS, as_of=as_of))

    assert validation.passed
    assert validation.failures() == []
    assert validation.warnings() == [f"age of the newest rating: {age}, the limit is 30 days, or 1 ahead"]


def test_what_cannot_be_judged_is_named_with_its_reason(judge: Judge) -> None:
    limits = replace(LIMITS, has_timestamps=False, scale_step=None, previous_volumes=(20,))

    validation = judge("update ratings set rated_at = null, rating = 0.7", limits=limits)

    assert validation.passed
    assert validation.n_evaluated == validation.n_written == 9
    assert validation.document["not_judged"] == {
        "rated_at_not_null": "the source has no timestamps",
        "rating_on_step": "the source names no step",
        "volume_usual": "earlier nights with new rows: 1, 3 are needed",
        "newest_rating_fresh": "the source has no timestamps",
    }


def test_a_night_without_new_rows_is_fine(judge: Judge) -> None:
    validation = judge("update files set status = 'accepted' where file_id = 2")

    assert validation.passed
    assert validation.document["not_judged"] == {"volume_usual": "no new rows tonight"}


def test_decimal_steps_that_binary_cannot_hold_are_on_their_step(judge: Judge) -> None:
    limits = replace(LIMITS, scale_min=0.1, scale_max=9.9, scale_step=0.1)

    assert judge("update ratings set rating = 0.1 + 0.1 * (line % 40)", limits=limits).passed


def test_no_user_id_stands_in_the_document(judge: Judge) -> None:
    validation = judge(
        "update ratings set item_id = null where line = 2",
        "update ratings set rating = null where line = 3",
        "update ratings set rating = 9 where line = 4",
        "update ratings set rating = 0.7 where line = 5",
        "update ratings set rated_at = null where line = 6",
        "update files set n_records = 41, n_loaded = 39 where file_id = 1",
        "update files set n_quarantined = 10 where file_id = 2",
        SECOND_LATEST,
    )

    assert len(failed(validation)) == 9
    assert "CANARY" not in json.dumps(validation.document, allow_nan=False) + " ".join(validation.failures())


def test_an_expectation_that_raised_does_not_pass(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing cast quotes the value, here a user id, in its message: only the error's class is kept."""
    cast = "select count(*) as n_rows from {batch} where user_id::bigint > 0"
    monkeypatch.setattr("data.validation_demands.OFF_STEP", cast)

    validation = judge()

    assert not validation.passed
    assert (validation.n_evaluated, validation.n_written) == (12, 13)
    assert validation.failures() == [
        "ratings beside the steps of 0.5 from 0.5: not evaluated (ConversionException), the limit is 0",
        "expectations evaluated: 12, the limit is all 13 and at least 1",
    ]
    assert "CANARY" not in json.dumps(validation.document)


def test_a_warning_that_raised_does_not_pass_either(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(limits: Limits) -> Demand:
        return Demand("broken", "", "a broken warning", "0", "ledger_facts", FACT_BETWEEN, {"column": "no"}, "warn")

    monkeypatch.setattr("data.validation_demands._fresh", broken)

    validation = judge()

    assert not validation.passed
    assert validation.warnings() == []
    assert validation.failures()[0].startswith("a broken warning: not evaluated (")


def facts_and_demands() -> tuple[dict[str, Any], list[Demand]]:
    names = ("n_latest", "n_pairs", "n_repeated_pairs", "n_candidates", "n_pending", "n_unbalanced_files")
    facts: dict[str, Any] = dict.fromkeys([*names, "n_mismatched_files", "worst_n_records"], 1)
    facts |= {"worst_share": 0.0, "worst_n_quarantined": 0, "worst_file": "f", "age_days": 1.0, "files": []}
    facts |= {"unbalanced_file": None, "mismatched_file": None}
    return facts, write_demands(LIMITS, facts)[0]


def success(demand: Demand) -> dict[str, Any]:
    config = {"type": demand.expectation, "kwargs": demand.arguments, "meta": {"check": demand.name}}
    return {"success": True, "expectation_config": config, "result": {}, "exception_info": {"raised_exception": False}}


def test_an_empty_suite_does_not_pass() -> None:
    validation = conclude(LIMITS, facts_and_demands()[0], demands=[], results=[])

    assert not validation.passed
    assert validation.failures() == ["expectations evaluated: 0, the limit is all 0 and at least 1"]


@pytest.mark.parametrize("n_lost", [1, 12])
def test_too_few_evaluated_do_not_pass(n_lost: int) -> None:
    facts, demands = facts_and_demands()
    results = [success(demand) for demand in demands]
    assert conclude(LIMITS, facts, demands, results).passed

    validation = conclude(LIMITS, facts, demands, results[n_lost:])

    assert not validation.passed
    assert [check.name for check in validation.checks if not check.evaluated] == [d.name for d in demands[:n_lost]]
    assert len(validation.failures()) == n_lost + 1


def test_more_evaluated_than_written_do_not_pass() -> None:
    facts, demands = facts_and_demands()

    assert not conclude(LIMITS, facts, demands[1:], [success(demand) for demand in demands]).passed


def test_nothing_is_printed_logged_or_left_switched(
    judge: Judge, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    logger, filters = logging.getLogger("great_expectations"), list(warnings.filters)
    caplog.set_level(logging.INFO)
    level = logger.level

    judge("update ratings set rating = 9")

    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith("great_expectations")] == []
    assert logger.level == level
    assert warnings.filters == filters


def test_the_warehouse_is_free_for_its_writer_afterwards(judge: Judge, tmp_path: Path) -> None:
    judge()

    with contextlib.closing(duckdb.connect(tmp_path / "warehouse.duckdb")) as writer:
        writer.execute("update files set status = 'accepted'")


def test_a_warehouse_that_cannot_be_read_is_the_machines_fault(judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"nothing\.duckdb.*IOException.*run again"):
        validate(tmp_path / "nothing.duckdb", LIMITS)
    with pytest.raises(MachineError, match="CatalogException"):
        judge("drop view candidate_latest")


def test_importing_the_module_does_not_import_great_expectations() -> None:
    program = (
        "import sys, data.expectations; sys.exit('great_expectations' in sys.modules or 'sqlalchemy' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False).returncode == 0
