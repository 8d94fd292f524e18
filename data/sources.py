"""Which rating files a source names: files, folders and globs become a sorted list of paths."""

import glob
from collections.abc import Sequence
from pathlib import Path

from data.errors import UsageError

_GLOB_CHARACTERS = frozenset("*?[")


def rating_files(patterns: Sequence[str]) -> list[Path]:
    """The files behind `source.ratings`, each once, by name within a pattern.

    A path is a glob only if no file has that very name. Hidden files are not looked at in folders.
    Raises UsageError when a pattern names nothing.
    """
    files = dict.fromkeys(path for pattern in patterns for path in _expand(pattern))
    return list(files)


def existing_file(path: str, purpose: str) -> Path:
    """The path, if it is a readable file; else UsageError."""
    if not Path(path).is_file():
        raise UsageError(
            f"{path}: no such file ({purpose}). Nothing was loaded. Correct the path in the configuration."
        )
    return Path(path)


def _expand(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    elif not path.exists() and _GLOB_CHARACTERS & set(pattern):
        found = sorted(Path(name) for name in glob.glob(pattern, recursive=True) if Path(name).is_file())
    else:
        found = [existing_file(pattern, "source.ratings")]
    if not found:
        raise UsageError(
            f"{pattern}: no file there (source.ratings). Nothing was loaded. Correct the path in the configuration."
        )
    return found
