"""What was quarantined and why."""

from pathlib import Path
from typing import Any

from data.home import resolve_home


def quarantine(home_folder: Path | None, examples: int) -> dict[str, Any]:
    """Counts by file and reason, with examples."""
    from data.quarantine import quarantined

    return {"quarantine": quarantined(resolve_home(home_folder), examples)}
