"""The home folder: where everything lies, one writer at a time, and one source per home."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data.atomic import read_json, write_json
from data.errors import HomeLocked, MachineError, UsageError

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Home:
    """The folders of one home; DESIGN names each."""

    root: Path

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def ledger(self) -> Path:
        """The file ledger as JSON, for readers who must not wait for the warehouse."""
        return self.root / "ledger.json"

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def published(self) -> Path:
        return self.root / "published"

    def model(self, run_id: str) -> Path:
        return self.root / "models" / run_id

    def run(self, run_id: str) -> Path:
        return self.root / "runs" / run_id

    def published_run(self, run_id: str) -> Path:
        return self.published / "runs" / run_id


def resolve_home(folder: Path | None) -> Home:
    """The home: `--home`, else OVERNIGHT_HOME, else var/ in the checkout."""
    if folder is not None:
        return Home(folder.expanduser().absolute())
    from_environment = os.environ.get("OVERNIGHT_HOME", "")
    if not from_environment:
        return Home(CHECKOUT / "var")
    if not Path(from_environment).is_absolute():
        raise UsageError(
            f"OVERNIGHT_HOME is {from_environment!r}, a relative path; workers run in other folders. "
            "Nothing was started. Give an absolute path."
        )
    return Home(Path(from_environment))


def new_run_id(now: datetime) -> str:
    """YYYYMMDDTHHMMSSZ-<6 hex>: the hex digits are the microseconds and chance, so that ids sort by time."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{secrets.token_hex(1)[0]}"


def check_source(home: Home, contract: dict[str, Any]) -> None:
    """Refuse a home that serves another source; remember the contract of a new one.

    As long as no rating was ever loaded, a wrong first configuration may be corrected: the warehouse is made anew.
    Raises UsageError when the home's contract differs in any key, MachineError when it cannot be read.
    """
    path = home.root / "source.json"
    known = _read(path) if path.exists() else None
    if known is None or (known != contract and _never_loaded(home)):
        for name in (home.warehouse.name, f"{home.warehouse.name}.wal", home.ledger.name) if known else ():
            (home.root / name).unlink(missing_ok=True)
        write_json(path, contract)
        return
    if different := [key for key in contract if known.get(key) != contract[key]]:
        facts = "; ".join(
            f"{key} is {json.dumps(contract[key])}, the home was built with {json.dumps(known.get(key))}"
            for key in different
        )
        raise UsageError(
            f"{home.root}: this home serves another source: {facts}. Nothing was changed. "
            "Give this source a home of its own with --home DIR."
        )


def _never_loaded(home: Home) -> bool:
    """Whether the ledger knows of refused files at most; a warehouse without a ledger is not judged."""
    if not home.warehouse.exists():
        return True
    ledger = _read(home.ledger) if home.ledger.exists() else {"files": None}
    return bool(ledger["files"] is not None and all(file["status"] == "refused" for file in ledger["files"]))


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except ValueError as error:
        raise MachineError(
            f"{path}: damaged ({error}). Nothing was changed. Restore it from a backup of the home."
        ) from None


@contextlib.contextmanager
def locked(home: Home, purpose: str) -> Iterator[None]:
    """Hold the home's lock; the kernel frees it when its holder dies, so it is never stale.

    Raises HomeLocked at once when another process holds it, naming the holder, and UsageError for an impossible home.
    """
    _create(home)
    lock = FileLock(home.root / ".lock", timeout=0)
    holder = home.root / ".lock-holder.json"
    try:
        lock.acquire()
    except Timeout:
        raise HomeLocked(
            f"{home.root} is held by {_describe(holder)}. This run did nothing. "
            "Wait for the other to end, or use another home with --home DIR."
        ) from None
    try:
        write_json(
            holder, {"pid": os.getpid(), "purpose": purpose, "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
        )
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _create(home: Home) -> None:
    if home.root.exists() and not home.root.is_dir():
        raise UsageError(
            f"{home.root}: the home is a file, not a folder. Nothing was started. Give a folder with --home DIR."
        )
    if pattern := sorted(set("*?[") & set(str(home.root))):
        raise UsageError(
            f"{home.root}: the path has {' '.join(pattern)}, which DuckDB and polars read as a pattern of names. "
            "Nothing was started. Give another folder with --home DIR."
        )
    foreign = home.root.is_dir() and any(home.root.iterdir()) and not (home.root / ".overnight").exists()
    if foreign:
        raise UsageError(
            f"{home.root}: this folder holds other files and is no Overnight home. Nothing was changed. "
            "Give an empty or a new folder with --home DIR."
        )
    home.root.mkdir(parents=True, exist_ok=True)
    (home.root / ".overnight").touch()


def _describe(holder: Path) -> str:
    try:
        known = read_json(holder)
        return f"process {known['pid']} ({known['purpose']}) since {known['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
