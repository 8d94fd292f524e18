"""The page: one file, nothing to load, everything escaped, the verdict first."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from data.validation_page import page

VOID = {"meta", "link", "img", "br", "hr", "input"}
EVIL = "<script>alert('x')</script>.csv"


def check(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "sentence": f"What {name} demands.",
        "severity": "stop",
        "passed": True,
        "evaluated": True,
        "subject": f"rows against {name}",
        "observed": "0 of 60 rows",
        "limit": "0",
        "n_unexpected": 0,
    } | changes


def document(*checks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    counts = {"n_evaluated": len(checks), "n_written": len(checks)}
    return {"passed": True, "as_of": "2026-01-20T00:00:00+00:00", "checks": list(checks), **counts} | changes


class Reader(HTMLParser):
    """Reads the page's text and tags, and fails where a tag is closed that is not the open one."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


MIXED = document(
    check("in_scale", passed=False, observed="12 of 60 rows", n_unexpected=12),
    check("fresh", passed=False, severity="warn", observed="40 days", limit="30 days"),
    check("on_step", passed=False, evaluated=False, observed="not evaluated (OutOfMemoryException)"),
    check("not_null"),
    passed=False,
    not_judged={"volume_usual": "no new rows tonight"},
    files=[{"name": EVIL, "n_records": 1234567, "n_loaded": None}],
)


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    html = page(MIXED, "Validation")
    reader = Reader(html)

    assert reader.open == []
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert not {"src", "href", "style"} & {name for name, _ in reader.attributes}
    assert not re.search(r"https?:|//|@import|url\(", html)
    assert "prefers-color-scheme: dark" in html
    assert ("name", "viewport") in reader.attributes


def test_the_verdict_and_its_reasons_stand_before_the_checks() -> None:
    text = Reader(page(MIXED, "Validation of a run")).text

    verdict, checks = text.index("Not passed"), text.index("Demand")
    assert verdict < text.index("rows against in_scale: 12 of 60 rows, the limit is 0") < checks
    assert verdict < text.index("rows against fresh: 40 days, the limit is 30 days") < checks


@pytest.mark.parametrize(
    ("name", "word"),
    [("in_scale", "failed"), ("fresh", "warning"), ("on_step", "not evaluated"), ("not_null", "passed")],
)
def test_each_check_has_its_verdict_in_words(name: str, word: str) -> None:
    row = re.search(rf'<tr><td data-label="Check">{name}</td>.*?</tr>', page(MIXED, "Validation"))

    assert row is not None
    assert f">{word}</span>" in row[0]


def test_what_was_not_judged_is_shown_with_its_reason() -> None:
    text = Reader(page(MIXED, "Validation")).text

    assert "volume_usual" in text
    assert "no new rows tonight" in text
    assert "not judged" in text


def test_everything_is_escaped() -> None:
    nasty = document(check(EVIL, sentence=EVIL, observed=EVIL, limit=EVIL, subject=EVIL, passed=False), passed=False)
    html = page(nasty | {"files": [{EVIL: EVIL}], "not_judged": {EVIL: EVIL}, "as_of": EVIL}, EVIL)

    assert "<script" not in html
    assert Reader(html).text.count("<script>") > 8


def test_files_are_listed_with_readable_numbers_or_said_to_be_none() -> None:
    assert "1,234,567" in Reader(page(MIXED, "Validation")).text
    assert "No file was pending." in Reader(page(document(check("not_null")), "Validation")).text


def test_a_passed_validation_says_so() -> None:
    text = Reader(page(document(check("not_null")), "Validation")).text

    assert "Not passed" not in text
    assert "1 of 1 expectations evaluated" in text
