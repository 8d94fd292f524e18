"""docs/commands.md against the command itself: every command and option, in its own words."""

import re
from typing import Any

import pytest
import typer.main

from data import errors
from flows.command import app
from tests.docs.pages import page, rows, sections

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SECTIONS = sections(page("docs/commands.md"), "##")


def described(parameter: Any) -> list[str]:
    """The row of an option or argument as the page writes it."""
    if parameter.param_type_name == "argument":
        return [f"`{parameter.name.upper()}`", "required", parameter.help]
    if parameter.required:
        default = "required"
    elif parameter.default in (None, False):
        default = "off" if parameter.is_flag else "none"
    else:
        default = f"`{parameter.default}`"
    return [f"`{parameter.opts[0]}`", default, parameter.help]


def test_every_command_is_documented_and_no_other_is() -> None:
    assert list(SECTIONS) == [f"overnight {name}" for name in COMMANDS]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented_in_its_own_words(name: str) -> None:
    section = SECTIONS[f"overnight {name}"]
    assert COMMANDS[name].help.strip() in section
    assert rows(section, "option") == [described(one) for one in COMMANDS[name].params if one.name != "help"]
    assert f"overnight {name}" in "\n".join(re.findall(r"```console\n(.*?)```", section, flags=re.DOTALL))


@pytest.mark.parametrize("name", ["docs/operations.md", "README.md"])
def test_every_exit_code_is_documented(name: str) -> None:
    column = {"docs/operations.md": "code", "README.md": "exit code"}[name]
    known = (errors.DONE, errors.REFUSED, errors.USAGE, errors.LOCKED, errors.STALE, errors.MACHINE)
    assert [int(cells[0]) for cells in rows(page(name), column)] == list(known)
