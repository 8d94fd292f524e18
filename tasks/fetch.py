"""Downloading a MovieLens data set."""

from pathlib import Path
from typing import Any

from data.grouplens import fetch as download
from tasks.night import Listener


def fetch(name: str, to: Path, listener: Listener) -> dict[str, Any]:
    """The folder the data set lies in, with its own overnight.toml."""

    def on_bytes(done: int, total: int) -> None:
        listener.progress("fetch", done, max(total, done), f"{done / 1e6:,.1f} MB")

    folder = download(name, to, on_bytes)
    listener.stage_ended("fetch", 0.0, f"{name}, checksum as published", True)
    return {
        "data_set": name,
        "folder": str(folder),
        "files": sum(1 for _ in folder.iterdir()),
        "config": str(folder / "overnight.toml"),
    }
