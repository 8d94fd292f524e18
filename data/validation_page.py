"""The validation as one HTML page that needs nothing else: no script, no font, no address to load from."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Document = Mapping[str, Any]


def page(document: Document, title: str) -> str:
    """The verdict first, then the checks, the files and, folded, the whole document."""
    return PAGE.format(
        title=escape(title),
        style=STYLE,
        verdict=_verdict(document),
        checks=_checks(document),
        files=_files(document.get("files") or ()),
        raw=escape(json.dumps(document, indent=2, ensure_ascii=False, default=str)),
    )


def _verdict(document: Document) -> str:
    failed = [check for check in document["checks"] if _judgement(check)[0] == "failed"]
    warned = [check for check in document["checks"] if _judgement(check)[0] == "warned"]
    kind, word = ("passed", "Passed") if document["passed"] else ("failed", "Not passed")
    counts = f"{document['n_evaluated']} of {document['n_written']} expectations evaluated, as of {document['as_of']}"
    reasons = "".join(f"<li>{escape(_sentence(check))}</li>" for check in [*failed, *warned])
    return (
        f'<p class="verdict {kind}">{word}</p>\n<p class="quiet">{escape(counts)}</p>\n'
        + (f"<ul>{reasons}</ul>" if reasons else "")
    )  # fmt: skip


def _sentence(check: Document) -> str:
    return f"{check['subject']}: {check['observed']}, the limit is {check['limit']}"


def _judgement(check: Document) -> tuple[str, str]:
    """How a check ended: the class that colours it, and the word for who does not see colours."""
    if not check["evaluated"]:
        return "failed", "not evaluated"
    if check["passed"]:
        return "passed", "passed"
    return ("warned", "warning") if check["severity"] == "warn" else ("failed", "failed")


def _checks(document: Document) -> str:
    rows = [
        _row((check["name"], check["sentence"], check["observed"], check["limit"]), *_judgement(check))
        for check in document["checks"]
    ]
    rows += [
        _row((name, reason, "", ""), "quiet", "not judged") for name, reason in document.get("not_judged", {}).items()
    ]
    return _table(CHECK_COLUMNS, rows)


def _row(cells: Sequence[Any], kind: str, word: str) -> str:
    labelled = zip(CHECK_COLUMNS, cells, strict=False)
    said = "".join(_cell(label, cell) for label, cell in labelled)
    return f'<tr>{said}<td data-label="Verdict"><span class="{kind}">{escape(word)}</span></td></tr>'


def _files(files: Sequence[Document]) -> str:
    if not files:
        return "<p>No file was pending.</p>"
    columns = list(files[0])
    rows = ["<tr>" + "".join(_cell(_words(name), file.get(name)) for name in columns) + "</tr>" for file in files]
    return _table([_words(name) for name in columns], rows)


def _words(column: str) -> str:
    return column.removeprefix("n_").replace("_", " ").capitalize()


def _cell(label: str, value: Any) -> str:
    said = f"{value:,}" if isinstance(value, int | float) else "" if value is None else str(value)
    kind = ' class="number"' if isinstance(value, int | float) else ""
    return f'<td data-label="{escape(label)}"{kind}>{escape(said)}</td>'


def _table(columns: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"


CHECK_COLUMNS = ("Check", "Demand", "Observed", "Limit", "Verdict")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{verdict}
<h2>Checks</h2>
{checks}
<h2>Files</h2>
{files}
<details><summary>The whole result as JSON</summary><pre>{raw}</pre></details>
</main>
</body>
</html>
"""

# On a narrow screen a row becomes a card, each cell led by its column's name.
STYLE = """
:root {
  --paper: #fbfaf8; --ink: #22252a; --quiet: #666c75; --line: #dedbd5;
  --good: #1d6b3f; --bad: #a8281e; --care: #8a5a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --ink: #e6e4df; --quiet: #9aa0aa; --line: #33373e;
    --good: #6fcf97; --bad: #ff8a7d; --care: #f0b84a;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.1rem; font-weight: 600; color: var(--quiet); margin: 0; overflow-wrap: anywhere }
h2 { font-size: 1.05rem; margin: 2.5rem 0 .5rem }
.verdict { font-size: 2.2rem; line-height: 1.2; font-weight: 650; margin: .25rem 0 }
.passed { color: var(--good) }
.failed { color: var(--bad) }
.warned { color: var(--care) }
.quiet { color: var(--quiet) }
td span { font-weight: 600; white-space: nowrap }
table { width: 100%; border-collapse: collapse; font-size: .92rem }
th { text-align: left; font-weight: 600; color: var(--quiet) }
th, td { padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line) }
td { vertical-align: top; overflow-wrap: anywhere }
td:first-child { min-width: 9.5rem }
.number { font-variant-numeric: tabular-nums }
details { margin-top: 2.5rem }
summary { cursor: pointer; color: var(--quiet) }
pre { overflow-x: auto; font-size: .8rem; border: 1px solid var(--line); border-radius: .4rem; padding: 1rem }
@media (max-width: 44rem) {
  thead { display: none }
  tr { display: block; padding: .75rem 0; border-bottom: 1px solid var(--line) }
  td { display: grid; grid-template-columns: 6.5rem 1fr; padding: .1rem 0; border: 0 }
  td::before { content: attr(data-label); color: var(--quiet) }
}
"""
