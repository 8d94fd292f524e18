"""The options that all commands share, and how a command ends."""

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from flows.terminal import say

Config = Annotated[Path, typer.Option("--config", help="The TOML of the data source.")]
HomeDir = Annotated[
    Path | None, typer.Option("--home", help="The home folder; default OVERNIGHT_HOME, else var/ in the checkout.")
]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE: change one setting for this run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON on standard output.")]
DEFAULT_CONFIG = Path("overnight.toml")


def end(outcome: Any) -> NoReturn:
    """Leave with the outcome's exit code; a refusal says its message."""
    if not outcome.ok:
        say(outcome.message)
    raise typer.Exit(outcome.code)
