"""A settings file, read and checked: `--set` applied, paths made absolute, every mistake named with the right key."""

import difflib
import glob
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from data.errors import UsageError
from data.settings import Settings


def load_settings(config: Path, overrides: Sequence[str] = ()) -> Settings:
    """The settings of a TOML file with `--set` overrides applied, paths made absolute.

    Raises UsageError for a missing or unreadable file, unknown keys (naming the nearest valid one) and bad values.
    """
    try:
        table = tomllib.loads(config.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"{config}: no such configuration. Nothing was started. Give one with --config FILE, "
            "or write one with `overnight init RATINGS_FILE`."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{config}: cannot be read as TOML: {error}. Nothing was started.") from None
    for override in overrides:
        _apply(table, override)
    try:
        settings = Settings.model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{config}: {_explain(error)} Nothing was started.") from None
    return _with_absolute_paths(settings, config.resolve().parent)


def _apply(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UsageError(
            f"--set {override}: expected KEY=VALUE, for example density.min_ratings_per_user=10. Nothing was started."
        )
    *sections, name = key.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {override}: {section} is a value, not a section. Nothing was started.")
    try:
        table[name] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[name] = text  # a bare word is a string


def _explain(error: ValidationError) -> str:
    return " ".join(_explain_one(detail) for detail in error.errors(include_url=False, include_input=False))


def _explain_one(detail: Any) -> str:
    path = [str(part) for part in detail["loc"]]
    where = ".".join(path) or "the file"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {where}; the nearest valid one is {_nearest(path)}."
    if detail["type"] == "missing":
        return f"{where} is missing."
    if detail["type"] in ("model_type", "dict_type"):
        return f"{where} is a section, not a value: write [{where}], or {where}.KEY = VALUE."
    return f"{where}: {detail['msg'].removeprefix('Value error, ')}."


def _nearest(path: Sequence[str]) -> str:
    """The valid key meant: the like-named one of another section, else the most similar one of this section."""
    *section, name = path
    elsewhere = [f"{other}.{name}" for other in _valid_keys([]) if name in _valid_keys([other])]
    nearest = difflib.get_close_matches(name, _valid_keys(section), n=1, cutoff=0.0)
    return elsewhere[0] if elsewhere else ".".join([*section, *nearest])


def _valid_keys(path: Sequence[str]) -> list[str]:
    section: Any = Settings
    for part in path:
        field = next((f for name, f in section.model_fields.items() if part in (name, f.alias)), None)
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())] if field is not None else []
        section = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if section is None:
            return []
    return [field.alias or name for name, field in section.model_fields.items()]


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    def absolute(path: str) -> str:
        try:
            own = Path(path).expanduser()
        except RuntimeError as error:
            raise UsageError(f"{path}: {error} Nothing was started. Correct the path in the configuration.") from None
        is_glob = glob.has_magic(path) and not (folder / own).exists()
        return str(Path(glob.escape(str(folder))) / own if is_glob else folder / own)

    source = settings.source
    changed: dict[str, Any] = {"ratings": [absolute(path) for path in source.ratings]}
    for name in ("items", "users"):
        if (metadata := getattr(source, name)) is not None:
            changed[name] = metadata.model_copy(update={"path": absolute(metadata.path)})
    return settings.model_copy(update={"source": source.model_copy(update=changed)})
