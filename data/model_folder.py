"""A model's folder: sealed by a manifest written last, verified by hash before anything in it is used."""

import hashlib
import json
from pathlib import Path
from typing import Any

from data.atomic import read_json, sha256, write_json
from data.errors import MachineError

FORMAT_VERSION = 1
MANIFEST = "model.json"


def seal(folder: Path, snapshot_hash: str) -> str:
    """Write the manifest of a finished folder; returns the hash of its content."""
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    digest = hashlib.sha256(json.dumps([snapshot_hash, files], sort_keys=True).encode()).hexdigest()
    write_json(
        folder / MANIFEST, {"format_version": FORMAT_VERSION, "snapshot": snapshot_hash, "files": files, "hash": digest}
    )
    return digest


def verified(folder: Path, expected_hash: str | None = None) -> dict[str, Any]:
    """The manifest of a model folder after every file was compared with it, and it with the expected hash.

    Raises MachineError when anything is missing or changed.
    """
    try:
        manifest = read_json(folder / MANIFEST)
        changed = [name for name, digest in manifest["files"].items() if sha256(folder / name) != digest]
    except (OSError, ValueError, KeyError) as error:
        raise MachineError(
            f"model {folder.name}: cannot be read ({error}). CURRENT was not changed. Train again."
        ) from None
    if changed or expected_hash not in (None, manifest["hash"]):
        raise MachineError(
            f"model {folder.name}: {', '.join(changed) or 'the folder'} does not have the expected hash. "
            "CURRENT was not changed. Train again."
        )
    return manifest
