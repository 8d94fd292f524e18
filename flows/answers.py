"""How each answer looks to a person."""

import shutil
import sys
from pathlib import Path
from typing import Any

from flows.terminal import out, print_table, say

_WHAT = {
    "recommendations": "each user's list, best first",
    "default_recommendations": "the list for anyone not in the table",
    "similar_items": "each item's neighbours",
    "item_biases": "how much better or worse than average an item is rated",
    "user_biases": "how generous a user is",
    "item_factors": "latent factors",
    "user_factors": "latent factors",
    "items": "titles and features",
    "metrics": "challenger, champion and baselines",
}


def print_ending(purpose: str, outcome: Any, home: Path | None) -> None:
    """The end of a run: what was published, and what to try next. The stages have said the rest."""
    from tasks.lookup import examples
    from tasks.status import status

    if purpose not in ("run", "publish") or outcome.name == "nothing_new":
        return
    now, (user, item) = status(home), examples(home)
    rows = {Path(path).parts[0].removesuffix(".parquet"): n for path, n in now["published"]["rows"].items()}
    out.print()
    table_rows = [(name, n, _WHAT.get(name, "")) for name, n in rows.items()]
    print_table(f"Published as {now['current']}", ("table", "rows", "what"), table_rows)
    command = f"{program()} {{}}" + (f" --home {home}" if home else "")
    best = "select title, bias from item_biases natural join items order by bias desc limit 5"
    out.print("\nTry next:", highlight=False)
    for words in (f"show {user}", f"similar {item}", f'query "{best}"'):
        out.print(f"  {command.format(words)}", highlight=False, markup=False)


def program() -> str:
    """How this person calls the command."""
    if shutil.which("overnight"):
        return "overnight"
    called = Path(sys.argv[0])
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)


def print_plan(plan: dict[str, Any]) -> None:
    """What a run would do."""
    print_table(
        "Rating files", ("file", "bytes", "status"), [(f["name"], f["size_bytes"], f["status"]) for f in plan["files"]]
    )
    say(
        f"{plan['n_new']} files would be ingested into {plan['home']}, then validated, filtered, "
        f"trained on ({plan['train']}), judged and "
        f"published over {plan['current'] or 'nothing'}. Nothing was done."
    )


def print_status(now: dict[str, Any]) -> None:
    """The state of a home."""
    rows: list[tuple[str, Any]] = [("home", now["home"]), ("current", now["current"] or "nothing is published yet")]
    if published := now["published"]:
        after = published["density"]["after"]
        rows += [
            (
                "published",
                f"{published['since']}, {published['age_hours']:.1f} h ago{' (STALE)' if now['stale'] else ''}",
            ),
            ("data as of", published["as_of"] or "no timestamps"),
            ("dense core", f"{after['n_users']:,} users × {after['n_items']:,} items, {after['density']:.2%} dense"),
            ("gate", " ".join(published["gate"]["reasons"])),
        ]
    if ledger := now["ledger"]:
        rows.append(
            (
                "ledger",
                f"{ledger['n_files']:,} files ({ledger['accepted']} accepted, {ledger['pending']} pending, "
                f"{ledger['refused']} refused): "
                f"{ledger['n_records']:,} records = {ledger['n_loaded']:,} loaded + "
                f"{ledger['n_duplicates']:,} duplicates + "
                f"{ledger['n_quarantined']:,} quarantined + {ledger['n_refused']:,} refused",
            )
        )
    if last := now["last_run"]:
        ended = (
            f"{last['outcome']['name']}: {last['outcome']['message']}"
            if last["outcome"]
            else "running, or it was cut off"
        )
        rows.append(("last attempt", f"{last['run_id']} ({last['purpose']}) {ended}"))
    print_table("", ("", ""), rows)


def print_list(answer: dict[str, Any]) -> None:
    """A person's list."""
    if answer["rated"]:
        print_table("Rated highest", ("item", "title", "rating"), _rows(answer["rated"]))
        out.print()
    title = "Recommended" if answer["known"] else "Not a known user: the default list"
    columns = ("rank", "item", "title", "predicted", "score")
    print_table(title, columns, _rows(answer["recommendations"]))
    sources = {
        "model": "in the dense core: trained",
        "fold_in": "outside the dense core: solved from their ratings with the items fixed",
        "bias": "nothing but a bias is known",
        "default": "the average user",
        "nothing_left": "they have rated everything there is",
    }
    say(f"source: {answer['source']} ({sources[answer['source']]})")


def print_similar(answer: dict[str, Any]) -> None:
    """An item's neighbours."""
    if not answer["in_core"]:
        title = answer["title"] or answer["item_id"]
        say(f"{title} is outside the dense core: its factors say too little for neighbours.")
        return
    columns = ("rank", "item", "title", "similarity", "common users")
    print_table(f"Similar to {answer['title'] or answer['item_id']}", columns, _rows(answer["similar"]))


def print_prediction(answer: dict[str, Any]) -> None:
    """What was predicted."""
    say(
        f"{answer['rows']:,} rows written to {answer['out']}; {answer['unknown_users']:,} had an unknown user, "
        f"{answer['unknown_items']:,} an unknown item."
    )


def print_rows(answer: dict[str, Any]) -> None:
    """The result of a query; whole numbers may be ids and are printed as they are."""
    rows = [[str(cell) if type(cell) is int else cell for cell in row] for row in answer["rows"]]
    print_table("", answer["columns"], rows)


def print_quarantine(answer: dict[str, Any]) -> None:
    """Counts by file and reason; the examples below each."""
    if not answer["quarantine"]:
        say("No row is in quarantine.")
    for group in answer["quarantine"]:
        print_table("", ("", "", ""), [(f"{group['file']} ({group['status']})", group["reason"], group["n_rows"])])
        for example in group["examples"]:
            out.print(f"    line {example['line']}: {example['raw']}", markup=False, highlight=False)


def print_guess(answer: dict[str, Any]) -> None:
    """What `init` found out."""
    print_table("Guessed", ("what", "value", "because"), _rows(answer["guesses"]))
    say(f"Written to {answer['out']}. Look through it, then: overnight run --config {answer['out']} --home DIR")


def print_fetched(answer: dict[str, Any]) -> None:
    """What was downloaded."""
    say(f"{answer['data_set']} is in {answer['folder']} ({answer['files']} files). Its terms stand in its README.")


def _rows(dictionaries: list[dict[str, Any]]) -> list[list[Any]]:
    """The values in order; an id is a name, not a number."""
    return [[str(value) if key.endswith("_id") else value for key, value in row.items()] for row in dictionaries]
