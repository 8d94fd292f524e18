"""A snapshot: coded, the core first, hashed; what was changed afterwards is not opened."""

import json
from pathlib import Path

import polars as pl
import pytest

from data.errors import DataRefused, EmptyCore, MachineError
from data.snapshot import FACTS, open_snapshot
from tests.worlds import HEADER, UNTIMED, World

# Items 10 and 11 and users 2 and 3 are the 2-core; user 1 and item 9 stand before them by id.
RATINGS = HEADER + "1,10,3,100\n2,10,4,101\n2,11,2,102\n3,10,5,103\n3,11,1,104\n3,9,5,105\n"
CORE = ("density.min_ratings_per_user=2", "density.min_ratings_per_item=2")


def test_codes_put_the_core_first_and_ids_order_within(world: World) -> None:
    world.load(RATINGS)
    snapshot = world.snapshot(*CORE)
    assert snapshot.users()["user_id"].to_list() == [2, 3, 1]
    assert snapshot.items()["item_id"].to_list() == [10, 11, 9]
    assert (snapshot.n_users, snapshot.n_items, snapshot.n_core_users, snapshot.n_core_items) == (3, 3, 2, 2)
    assert snapshot.users()["in_core"].to_list() == [True, True, False]
    assert snapshot.users()["mean_rating"].to_list() == [3.0, pytest.approx(11 / 3), 3.0]
    assert snapshot.ratings().select("user_code", "item_code", "rating", "in_core").rows() == [
        (0, 0, 4.0, True),
        (0, 1, 2.0, True),
        (1, 0, 5.0, True),
        (1, 1, 1.0, True),
        (1, 2, 5.0, False),
        (2, 0, 3.0, False),
    ]
    assert snapshot.facts["window"] == {"from": "1970-01-01T00:01:40.000000Z", "as_of": "1970-01-01T00:01:45.000000Z"}


def test_only_the_latest_rating_of_a_pair_is_in_it(world: World) -> None:
    world.load(RATINGS + "1,10,5,99\n1,10,1,200\n")
    assert world.snapshot().ratings().filter(pl.col("user_code") == 0)["rating"].to_list() == [1.0]


def test_without_timestamps(world: World) -> None:
    world.load("user,item,rating\n1,10,3\n", UNTIMED)
    snapshot = world.snapshot(UNTIMED)
    assert snapshot.facts["window"] == {"from": None, "as_of": None}
    assert snapshot.ratings()["rated_at"].to_list() == [None]


def test_string_ids_come_out_verbatim(world: World) -> None:
    world.load(HEADER + "007,é,3,100\n7,É,3,101\n", "source.ids=string")
    snapshot = world.snapshot("source.ids=string")
    assert snapshot.users()["user_id"].to_list() == ["007", "7"]
    assert snapshot.items()["item_id"].to_list() == ["É", "é"]


def test_nothing_accepted_and_nothing_dense(world: World) -> None:
    world.put(RATINGS)
    world.ingest()
    with pytest.raises(DataRefused, match="no accepted ratings"):
        world.snapshot()
    world.judge()
    with pytest.raises(EmptyCore, match=r"density\.min_ratings_per_user = 2"):
        world.snapshot("density.min_ratings_per_user=9", "density.min_ratings_per_item=9")
    assert list(world.home.root.glob("snapshots/*")) == []


def test_an_equal_snapshot_is_reused_and_a_damaged_one_rebuilt(world: World) -> None:
    world.load(RATINGS)
    first = world.snapshot()
    inode = first.folder.stat().st_ino
    assert world.snapshot().folder.stat().st_ino == inode
    (first.folder / "users.parquet").write_bytes(b"")
    assert world.snapshot().hash == first.hash
    assert [path.name for path in world.home.snapshots.iterdir()] == [first.hash]


def test_other_settings_of_what_a_model_sees_give_another_hash(world: World) -> None:
    world.load(RATINGS)
    kinds = ((), CORE, ("source.scale.step=0.25",), ("train.golden_share=0.4",))
    assert len({world.snapshot(*one).hash for one in kinds}) == len(kinds)


def test_the_golden_set_stays_when_ratings_come(world: World) -> None:
    found = []
    for n in (20, 40):
        world.load(
            HEADER + "".join(f"{user},{item},3,100\n" for user in range(n) for item in range(n)), name=f"{n}.csv"
        )
        snapshot = world.snapshot("train.golden_share=0.1")
        users, items = snapshot.users()["user_id"], snapshot.items()["item_id"]
        found.append(
            {
                (users[user], items[item]): flag
                for user, item, flag in snapshot.ratings().select("user_code", "item_code", "golden").rows()
            }
        )
    assert all(found[1][pair] == flag for pair, flag in found[0].items())
    assert 0.05 < sum(found[1].values()) / len(found[1]) < 0.15


@pytest.mark.parametrize("name", ["ratings.parquet", "users.parquet", "items.parquet"])
def test_a_flipped_bit_is_noticed(world: World, name: str) -> None:
    world.load(RATINGS)
    snapshot = world.snapshot()
    _flip(snapshot.folder / name)
    with pytest.raises(MachineError, match="its content has hash"):
        open_snapshot(snapshot.folder, snapshot.hash)


def test_other_content_a_newer_format_and_no_snapshot_at_all(world: World) -> None:
    world.load(RATINGS)
    snapshot = world.snapshot()
    with pytest.raises(MachineError, match="expected 0000"):
        open_snapshot(snapshot.folder, "0000")
    (snapshot.folder / FACTS).write_text(json.dumps({**snapshot.facts, "format_version": 99}))
    with pytest.raises(MachineError, match="Use the newer program"):
        open_snapshot(snapshot.folder, snapshot.hash)
    for text in ("[]", "{}", "{", json.dumps({**snapshot.facts, "hash": None})):
        (snapshot.folder / FACTS).write_text(text)
        with pytest.raises(MachineError):
            open_snapshot(snapshot.folder, snapshot.hash)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
