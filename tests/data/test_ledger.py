"""The law of conservation, and what becomes of pending files."""

from datetime import datetime

import pytest

from data.ledger import Entry
from tests.worlds import HEADER, World

ENTRY = Entry(
    file_id=1,
    name="a.csv",
    sha256="0",
    size_bytes=1,
    status="pending",
    n_records=4,
    n_loaded=1,
    n_duplicates=1,
    n_quarantined=1,
    n_refused=1,
    ingested_at=datetime(2026, 1, 1),
)


def test_balance() -> None:
    ENTRY.check_balance()
    with pytest.raises(AssertionError, match="5 records but 4 accounted for"):
        Entry(**{**vars(ENTRY), "n_records": 5}).check_balance()


def test_refusing_pending_files_leaves_accepted_ones_alone(world: World) -> None:
    world.load(HEADER + "1,10,3,100\n")
    world.put(HEADER + "1,10,3,100\n1,11,3,100\n1,x,3,100\n", "second.csv")
    world.ingest()
    world.judge(accepted=False)
    accepted, refused = world.ledger()
    assert (accepted["status"], accepted["n_loaded"]) == ("accepted", 1)
    assert (
        refused["status"],
        refused["n_loaded"],
        refused["n_duplicates"],
        refused["n_quarantined"],
        refused["n_refused"],
    ) == ("refused", 0, 0, 1, 2)
    assert len(world.log()) == 1


def test_the_json_beside_the_warehouse_says_the_same(world: World) -> None:
    world.load(HEADER + "1,10,3,100\n1,11,x,100\n")
    (file,) = world.ledger()
    (row,) = world.rows("select name, sha256, status, n_records, n_loaded, n_quarantined from files")
    assert row == tuple(file[name] for name in ("name", "sha256", "status", "n_records", "n_loaded", "n_quarantined"))
    assert file["ingested_at"] == "2026-01-01T00:00:00Z"
