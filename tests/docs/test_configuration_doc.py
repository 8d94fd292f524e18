"""docs/configuration.md against the settings: every key, its default, its choices, and examples that are accepted."""

import json
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from data.read_settings import load_settings
from data.settings import Settings
from tests.docs.pages import blocks, code, page, rows

DOC = page("docs/configuration.md")
ROWS = {code(cells[0]): cells for cells in rows(DOC, "key")}
BASE = """
[source]
ratings = ["a.csv"]
columns = { user = 1, item = 2, rating = 3 }
scale = { min = 1, max = 5 }
[source.items]
path = "items.csv"
columns = { item = 1 }
[source.users]
path = "users.csv"
columns = { user = 1 }
"""


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a type may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for inner in typing.get_args(annotation) for section in sections_in(inner)]


def choices_in(annotation: Any) -> list[str]:
    """The words that a type allows."""
    if typing.get_origin(annotation) is Literal:
        return [str(choice) for choice in typing.get_args(annotation)]
    return [choice for inner in typing.get_args(annotation) for choice in choices_in(inner)]


def keys(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key with a value of its own, dotted."""
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = sections_in(field.annotation)
        if inner:
            yield from keys(inner[0], f"{key}.")
        else:
            yield key, field


def default_of(field: FieldInfo) -> str:
    """The default as the page writes it."""
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


KEYS = dict(keys(Settings))


def test_every_key_is_documented_and_nothing_else_is() -> None:
    assert set(ROWS) - {"source.ids"} == set(KEYS)  # source.ids may be one word for both


@pytest.mark.parametrize("key", KEYS)
def test_the_default_is_the_real_one(key: str) -> None:
    assert ROWS[key][2] == default_of(KEYS[key])


@pytest.mark.parametrize("key", KEYS)
def test_every_choice_is_named(key: str) -> None:
    assert all(f"`{choice}`" in ROWS[key][1] for choice in choices_in(KEYS[key].annotation))


@pytest.mark.parametrize("key", ROWS)
def test_the_example_is_accepted(key: str, tmp_path: Path) -> None:
    config = tmp_path / "source.toml"
    config.write_text(BASE, "utf-8")
    load_settings(config, [f"{key}={code(ROWS[key][3])}"])


@pytest.mark.parametrize("example", [*blocks(DOC, "toml"), *blocks(page("README.md"), "toml")])
def test_the_toml_examples_are_accepted(example: str, tmp_path: Path) -> None:
    config = tmp_path / "source.toml"
    config.write_text(example if "source" in tomllib.loads(example) else BASE + example, "utf-8")
    load_settings(config)


@pytest.mark.parametrize("key", ROWS)
def test_every_key_has_a_reason(key: str) -> None:
    assert len(ROWS[key]) == 5
    assert len(ROWS[key][4]) > 5
