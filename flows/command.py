"""The `overnight` command. Each body loads what it needs: `status` answers before torch would have been imported."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows import terminal
from flows.options import DEFAULT_CONFIG, AsJson, Config, HomeDir, Overrides, end
from tasks.answers import ask

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Overnight turns rating logs into recommendations by morning.",
)


@app.command()
def run(
    config: Config = DEFAULT_CONFIG,
    home: HomeDir = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    force: Annotated[bool, typer.Option("--force", help="Train and publish even if nothing is new.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """The whole night once: ingest, validate, filter, train, judge, publish."""
    if dry_run:
        from flows.answers import print_plan
        from tasks.plan import plan

        _answer(lambda: plan(config, home, overrides or ()), print_plan, as_json)
    else:
        _walk("run", "nightly_corridor", config, home, overrides, as_json, force)


@app.command()
def ingest(
    config: Config = DEFAULT_CONFIG, home: HomeDir = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Load new rating files and validate them: the verdict is final."""
    _walk("ingest", "ingest_corridor", config, home, overrides, as_json)


@app.command()
def train(
    config: Config = DEFAULT_CONFIG, home: HomeDir = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Filter the accepted ratings and train on them; `publish` takes it from there."""
    _walk("train", "train_corridor", config, home, overrides, as_json, force=True)


@app.command()
def publish(
    config: Config = DEFAULT_CONFIG, home: HomeDir = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Judge the newest trained model and publish it."""
    _walk("publish", "publish_corridor", config, home, overrides, as_json)


@app.command()
def status(home: HomeDir = None, as_json: AsJson = False) -> None:
    """What is published, since when, from what, and how the last attempt ended. Exit code 4 when it is stale."""
    from flows.answers import print_status
    from tasks.status import status as read_status

    answer = _answer(lambda: read_status(home), print_status, as_json)
    raise typer.Exit(4 if answer["stale"] else 0)


@app.command()
def show(
    user: Annotated[str, typer.Argument(help="A user id.")],
    home: HomeDir = None,
    as_json: AsJson = False,
    n: Annotated[int, typer.Option("-n", min=1, help="How many rows.")] = 10,
) -> None:
    """A person's list, with titles and where it comes from."""
    from flows.answers import print_list
    from tasks.lookup import show as look_up

    _answer(lambda: look_up(home, user, n), print_list, as_json)


@app.command()
def similar(
    item: Annotated[str, typer.Argument(help="An item id.")],
    home: HomeDir = None,
    as_json: AsJson = False,
    n: Annotated[int, typer.Option("-n", min=1, help="How many rows.")] = 10,
) -> None:
    """An item's nearest neighbours, with titles."""
    from flows.answers import print_similar
    from tasks.lookup import similar as look_up

    _answer(lambda: look_up(home, item, n), print_similar, as_json)


@app.command()
def predict(
    pairs: Annotated[Path, typer.Argument(help="CSV or Parquet with user_id, item_id.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write: .csv or .parquet.")],
    home: HomeDir = None,
    as_json: AsJson = False,
) -> None:
    """Add predicted_rating to the rows of a file of pairs."""
    from flows.answers import print_prediction
    from tasks.predict import predict as predict_pairs

    _answer(lambda: predict_pairs(home, pairs, out), print_prediction, as_json)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="DuckDB SQL over the published tables.")],
    home: HomeDir = None,
    as_json: AsJson = False,
) -> None:
    """DuckDB SQL over the tables of the current run."""
    from flows.answers import print_rows
    from tasks.query import query as run_query

    _answer(lambda: run_query(home, sql), print_rows, as_json)


@app.command()
def quarantine(
    home: HomeDir = None,
    as_json: AsJson = False,
    examples: Annotated[int, typer.Option("--examples", min=0, help="How many rows to show of each reason.")] = 3,
) -> None:
    """Rows that broke the contract: counts by file and reason, with examples."""
    from flows.answers import print_quarantine
    from tasks.quarantine import quarantine as look_up

    _answer(lambda: look_up(home, examples), print_quarantine, as_json)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="A rating file.")],
    out: Annotated[Path, typer.Option("--out", help="The TOML to write; never overwritten.")] = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Look at a rating file and write the TOML for it."""
    from flows.answers import print_guess
    from tasks.init import init as write_toml

    _answer(lambda: write_toml(file, out), print_guess, as_json)


@app.command()
def fetch(
    data_set: Annotated[str, typer.Argument(help="ml-100k, ml-1m or ml-25m.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to put it in.")] = Path("downloads"),
    as_json: AsJson = False,
) -> None:
    """Download a MovieLens data set from GroupLens, checked against its checksum."""
    from flows.answers import print_fetched
    from tasks.fetch import fetch as download

    _answer(lambda: download(data_set, to, terminal.TerminalLog()), print_fetched, as_json)


def main() -> None:
    """The entry point of the `overnight` script."""
    app()


def _walk(
    purpose: str,
    corridor: str,
    config: Path,
    home: Path | None,
    overrides: list[str] | None,
    as_json: bool,
    force: bool = False,
) -> None:
    """Run a corridor under the lock, with or without a Prefect server, and say how it ended."""
    from flows.walking import walk

    outcome = walk(purpose, corridor, config, home, overrides or [], force)
    if as_json:
        terminal.print_json({"code": outcome.code, "outcome": outcome.name, "message": outcome.message})
    elif outcome.ok:
        from flows.answers import print_ending

        print_ending(purpose, outcome, home)
    end(outcome)


def _answer(question: Any, show_it: Any, as_json: bool) -> Any:
    """Ask, and print the answer for a program or a person; leave with the outcome's code when there is none."""
    outcome, answer = ask(question)
    if not outcome.ok:
        end(outcome)
    (terminal.print_json if as_json else show_it)(answer)
    return answer
