"""Writing the TOML for an unknown rating file."""

import dataclasses
from pathlib import Path
from typing import Any

from data.atomic import write_text
from data.errors import UsageError
from data.read_settings import load_settings
from data.sniff import sniff


def init(file: Path, out: Path) -> dict[str, Any]:
    """Write the TOML and read it back as a run would; returns the guesses. Never overwrites."""
    if out.exists():
        raise UsageError(f"{out} is there already and was left alone. Choose another name with --out.")
    document, guesses = sniff(file)
    write_text(out, document)
    load_settings(out)
    return {"out": str(out), "guesses": [dataclasses.asdict(guess) for guess in guesses]}
