"""A small world for a test: a folder of rating files, its TOML, and a home that takes them in."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from data import ledger
from data.home import Home, locked
from data.ingest import Ingested, ingest
from data.read_settings import load_settings
from data.settings import Settings
from data.snapshot import Snapshot
from data.sql import transaction
from data.take_snapshot import take_snapshot
from data.warehouse import opened

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = "user,item,rating,timestamp\n"
CONFIG = """
[source]
ratings = ["in"]
columns = { user = "user", item = "item", rating = "rating", timestamp = "timestamp" }
scale = { min = 0.5, max = 5.0, step = 0.5 }
[validate]
max_quarantined_share = 1.0
[density]
min_ratings_per_user = 1
min_ratings_per_item = 1
"""
UNTIMED = 'source.columns={user="user",item="item",rating="rating"}'


@dataclass
class World:
    """Settings are changed for one call with the texts that --set takes."""

    root: Path
    home_name: str = "home"

    def __post_init__(self) -> None:
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.config.write_text(CONFIG, "utf-8")

    @property
    def inbox(self) -> Path:
        return self.root / "in"

    @property
    def config(self) -> Path:
        return self.root / "source.toml"

    @property
    def home(self) -> Home:
        return Home(self.root / self.home_name)

    def put(self, data: bytes | str, name: str = "ratings.csv") -> Path:
        path = self.inbox / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def settings(self, *overrides: str) -> Settings:
        return load_settings(self.config, overrides)

    def ingest(self, *overrides: str) -> Ingested:
        settings = self.settings(*overrides)
        with locked(self.home, "test"):
            return ingest(self.home, settings, NOW)

    def judge(self, *overrides: str, accepted: bool = True) -> None:
        with opened(self.home, self.settings(*overrides).source.ids) as connection:
            with transaction(connection):
                (ledger.accept_pending if accepted else ledger.refuse_pending)(connection)
            ledger.export(connection, self.home)

    def load(self, data: bytes | str, *overrides: str, name: str = "ratings.csv") -> Ingested:
        """Put, ingest and accept a file."""
        self.put(data, name)
        done = self.ingest(*overrides)
        self.judge(*overrides)
        return done

    def snapshot(self, *overrides: str) -> Snapshot:
        return take_snapshot(self.home, self.settings(*overrides))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.home.warehouse, read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def log(self) -> list[tuple[Any, ...]]:
        return self.rows("select user_id, item_id, rating, rated_at, file_id, line from ratings order by all")

    def latest(self) -> list[tuple[Any, ...]]:
        return self.rows("select user_id, item_id, rating from latest_ratings order by all")

    def quarantine(self) -> dict[int, str]:
        return dict(self.rows("select line, reason from quarantine order by line"))

    def ledger(self) -> list[dict[str, Any]]:
        """The files of ledger.json; every one must balance."""
        if not self.home.ledger.exists():
            return []
        files: list[dict[str, Any]] = json.loads(self.home.ledger.read_text("utf-8"))["files"]
        for file in files:
            assert file["n_records"] == sum(
                file[f"n_{name}"] for name in ("loaded", "duplicates", "quarantined", "refused")
            )
        return files
