"""Each file once, each record accounted for, and an error leaves everything as it was."""

import gzip
import random
import re
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import DataRefused, OvernightError, UsageError
from tests.worlds import HEADER, UNTIMED, World

FIRST = HEADER + "1,10,3,100\n1,11,4,101\n2,10,5,102\n"
STRICT = "validate.max_quarantined_share=0.1"


def test_the_same_file_twice_is_a_no_op(world: World) -> None:
    world.load(FIRST)
    before = (world.ledger(), world.log(), sorted(world.home.landing.iterdir()))
    again = world.ingest()
    assert (again.entries, again.n_known) == ((), 1)
    assert (world.ledger(), world.log(), sorted(world.home.landing.iterdir())) == before


def test_the_same_bytes_under_another_name_add_nothing(world: World) -> None:
    world.load(FIRST)
    world.put(FIRST, "copy.csv")
    assert world.ingest().n_known == 2


def test_the_same_rows_packed_otherwise_are_duplicates(world: World) -> None:
    world.load(FIRST)
    world.put(gzip.compress(FIRST.encode()), "copy.csv.gz")
    (entry,) = world.ingest().entries
    assert (entry.n_loaded, entry.n_duplicates) == (0, 3)


def test_a_new_file_adds_only_its_own_rows(world: World) -> None:
    world.load(FIRST)
    (entry,) = world.load(FIRST + "2,12,1,103\n", name="second.csv").entries
    assert (entry.n_loaded, entry.n_duplicates) == (1, 3)


def test_the_latest_rating_counts_and_the_log_keeps_all(world: World) -> None:
    world.load(HEADER + "1,10,3,200\n1,10,5,100\n")
    world.load(HEADER + "1,10,1,150\n", name="late.csv")
    assert world.latest() == [(1, 10, 3.0)]
    assert len(world.log()) == 3


def test_at_the_same_time_the_later_line_counts(world: World) -> None:
    world.load(HEADER + "1,10,3,100\n1,10,4,100\n1,10,3,100\n")
    assert world.latest() == [(1, 10, 3.0)]


def test_without_timestamps_the_order_of_files_and_lines_decides(world: World) -> None:
    done = world.load("user,item,rating\n1,10,3\n1,10,3\n1,10,4\n1,10,3\n", UNTIMED)
    assert (done.n_loaded, done.entries[0].n_duplicates) == (3, 1)
    assert world.latest() == [(1, 10, 3.0)]
    world.load("user,item,rating\n1,10,3\n1,10,5\n", UNTIMED, name="second.csv")
    assert world.latest() == [(1, 10, 5.0)]
    assert len(world.log()) == 4


def test_more_bad_rows_than_the_limit_refuse_the_file_and_only_it(world: World) -> None:
    world.load(FIRST)
    world.put(HEADER + "3,10,9,100\n3,11,4,100\n", "bad.csv")
    world.put(HEADER + "4,10,4,100\n", "fine.csv")
    before = world.log()
    with pytest.raises(
        DataRefused, match=r"bad\.csv: 1 of 2 rows \(50\.00%\) break the contract, the limit is 10\.00%"
    ):
        world.ingest(STRICT)
    assert [(file["name"], file["status"], file["n_refused"]) for file in world.ledger()] == [
        ("ratings.csv", "accepted", 0),
        ("bad.csv", "refused", 1),
        ("fine.csv", "pending", 0),
    ]
    assert world.log()[:3] == before
    assert len(world.log()) == 4
    assert world.quarantine() == {2: "rating_off_scale"}


def test_just_at_the_limit_is_within_it(world: World) -> None:
    world.put(HEADER + "".join(f"1,{item},{9 if item == 3 else 4},100\n" for item in range(10)))
    assert world.ingest(STRICT).n_loaded == 9


def test_a_refused_file_can_be_ingested_again(world: World) -> None:
    world.put(HEADER + "1,10,3,100\n1,11,9,100\n")
    for _ in range(2):
        with pytest.raises(DataRefused):
            world.ingest(STRICT)
        assert [file["status"] for file in world.ledger()] == ["refused"]
        assert len(world.quarantine()) == 1
    assert world.ingest().n_loaded == 1, "with a wider limit"
    assert [file["status"] for file in world.ledger()] == ["pending"]


def test_pending_counts_only_once_accepted(world: World) -> None:
    world.put(FIRST)
    world.ingest()
    assert world.latest() == []
    world.judge()
    assert len(world.latest()) == 3


def test_what_validation_refused_is_loaded_when_it_comes_again(world: World) -> None:
    world.put(FIRST)
    world.ingest()
    world.judge(accepted=False)
    assert world.log() == []
    assert [(file["status"], file["n_refused"]) for file in world.ledger()] == [("refused", 3)]
    assert world.ingest().n_loaded == 3


def test_a_file_that_ends_the_ingestion_leaves_a_true_ledger(world: World) -> None:
    world.put(FIRST, "a.csv")
    world.put("user,item\n1,2\n", "b.csv")
    with pytest.raises(UsageError, match=r"b\.csv has no column 'rating'"):
        world.ingest()
    assert [(file["name"], file["status"]) for file in world.ledger()] == [("a.csv", "pending")]
    assert [path.suffix for path in world.home.landing.iterdir()] == [".csv"]


def test_every_fault_is_named_at_once(world: World) -> None:
    world.put(b"", "a.csv")
    world.put(b"\xff\xfe1\x00", "b.csv")
    with pytest.raises(DataRefused, match=r"(?s)a\.csv is empty.*b\.csv: it is UTF-16"):
        world.ingest()


def test_the_quarantine_keeps_line_reason_and_the_line_itself(world: World) -> None:
    world.load("\r\n".join(["user,item,rating,timestamp", "1,10,3,100", "", "1,x,3,100", '1,"11",9,100', ""]))
    assert world.rows("select line, reason, raw from quarantine order by line") == [
        (4, "bad_item_id", "1,x,3,100"),
        (5, "rating_off_scale", '1,"11",9,100'),
    ]


def test_line_numbers_hold_in_large_files(world: World) -> None:
    lines = [f"{number},1,{9 if number % 50_000 == 7 else 3},100" for number in range(2, 300_000)]
    world.load(HEADER + "\n".join(lines) + "\n")
    assert list(world.quarantine()) == [number for number in range(2, 300_000) if number % 50_000 == 7]
    assert world.rows("select count(*) from ratings where user_id <> line") == [(0,)]


def test_row_numbers_hold_in_parquet_with_many_row_groups(world: World) -> None:
    numbers = list(range(1, 20_001))
    table = pa.table({"user": numbers, "item": [1] * 20_000, "rating": [3.0] * 20_000, "timestamp": [5] * 20_000})
    pq.write_table(table, world.inbox / "r.parquet", row_group_size=500)
    assert world.ingest('source.format="parquet"').n_loaded == 20_000
    assert world.rows("select count(*) from ratings where user_id <> line") == [(0,)]


@pytest.mark.parametrize("home_name", ["it's; drop table files;--", "$path {0} %s", "日本"])
def test_a_home_may_have_an_odd_name(tmp_path: Path, home_name: str) -> None:
    world = World(tmp_path, home_name)
    assert world.load(gzip.compress(FIRST.encode())).n_loaded == 3
    assert world.snapshot().n_users == 2


def test_two_homes_with_the_same_input_give_the_same_snapshot(tmp_path: Path) -> None:
    worlds = [World(tmp_path / name) for name in ("one", "two")]
    assert [world.load(FIRST).n_loaded for world in worlds] == [3, 3]
    assert worlds[0].snapshot().hash == worlds[1].snapshot().hash


def test_neither_order_nor_packing_nor_number_of_files_changes_the_snapshot(tmp_path: Path) -> None:
    continuous = "source.scale={min=0.5,max=5.0}"  # sums of these depend on their order
    lines = [f"{n % 17},{n % 23},{0.5 + n * 7919 % 4500 / 1000:.3f},{n}" for n in range(1000)]
    one, other = World(tmp_path / "one"), World(tmp_path / "other")
    one.load(HEADER + "\n".join(lines) + "\n", continuous)
    random.Random(1).shuffle(lines)
    other.put(gzip.compress((HEADER + "\n".join(lines[:300]) + "\n").encode()), "a.csv.gz")
    other.load((HEADER + "\n".join(lines[250:]) + "\n").replace("\n", "\r\n"), continuous, name="b.csv")
    assert one.snapshot(continuous).hash == other.snapshot(continuous).hash


# A plain reader to compare with: no SQL, no csv module, only the contract.

_PLAIN = {
    "id": re.compile(r"0|-?[1-9][0-9]{0,18}"),
    "time": re.compile(r"[0-9]{1,18}"),
    "rating": re.compile(r"[+-]?[0-9]{1,18}([.][0-9]{1,18})?([eE][+-]?[0-9]{1,3})?"),
}
_FIELD = re.compile(r'"(?:[^"]|"")*"|[^",]*')


def _fields(line: str) -> list[str] | None:
    fields = []
    for start in count():
        found = _FIELD.match(line)
        assert found is not None, start
        text = found.group()
        fields.append(text[1:-1].replace('""', '"') if text.startswith('"') else text)
        line = line[found.end() :]
        if not line:
            return fields
        if line[0] != ",":
            return None
        line = line[1:]
    return None


def _plain_row(line: str) -> tuple[int, int, float, int] | None:
    fields = _fields(line)
    if fields is None or len(fields) != 4:
        return None
    kinds = ("id", "id", "rating", "time")
    if not all(_PLAIN[kind].fullmatch(text) for kind, text in zip(kinds, fields, strict=True)):
        return None
    user, item, rating, time = int(fields[0]), int(fields[1]), float(fields[2]), int(fields[3])
    inside = min(user, item) >= -(2**63) and max(user, item) < 2**63 and 0.5 <= rating <= 5.0 and time <= 1_767_312_000
    return (user, item, rating, time) if inside and (rating * 2).is_integer() else None


_IDS = st.sampled_from(
    [
        "1",
        "2",
        "-3",
        "0",
        "-0",
        "007",
        "+5",
        " 5",
        "5 ",
        "1.7",
        "0x1F",
        "",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "x",
        "٣",
        "1e3",
        "null",
        "\x01",
        "1_000",
    ]
)
_RATINGS = st.sampled_from(
    [
        "0.5",
        "5.0",
        "3",
        "4.5",
        "3.25",
        "5.5",
        "0",
        "-1",
        "nan",
        "inf",
        "1e400",
        "5e-1",
        "+1",
        "1.",
        "",
        ".5",
        "4.5000001",
        "03",
    ]
)
_TIMES = st.sampled_from(
    [
        "0",
        "1",
        "1700000000",
        "-1",
        "1e9",
        "",
        "99999999999999999999",
        "1767312000",
        "1767312001",
        "12.0",
        "999999999999999999",
    ]
)
_PLAIN_LINES = st.tuples(_IDS, _IDS, _RATINGS, _TIMES).map(",".join)
_GOOD_LINES = st.tuples(
    st.sampled_from("123"), st.sampled_from("456"), st.sampled_from(["1", "2.5", "5"]), st.sampled_from(["7", "8"])
).map(",".join)
_QUOTED_LINES = st.tuples(_IDS, _IDS, _RATINGS, _TIMES).map(lambda fields: ",".join(f'"{field}"' for field in fields))
_MANGLED_LINES = st.text(alphabet='15.,"\t\x01\\ é-', max_size=14)
_LINES = st.lists(st.one_of(_GOOD_LINES, _GOOD_LINES, _PLAIN_LINES, _QUOTED_LINES, _MANGLED_LINES), max_size=12)


@given(lines=_LINES, end=st.sampled_from(["\n", "\r\n"]), terminated=st.booleans(), packed=st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_loaded_is_what_a_plain_reader_finds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, terminated: bool, packed: bool
) -> None:
    world = World(tmp_path_factory.mktemp("plain"))
    cut = not terminated and lines and lines[-1] != ""
    data = (end.join([HEADER.strip(), *lines]) + ("" if cut else end)).encode()
    judged = {
        number: None if cut and number == len(lines) + 1 else _plain_row(line)
        for number, line in enumerate(lines, 2)
        if line
    }
    world.put(gzip.compress(data) if packed else data)
    (entry,) = world.ingest().entries
    found = world.rows("""
        select line, user_id, item_id, rating, epoch(rated_at)::bigint from ratings
        union all select line, null, null, null, null from quarantine""")
    last_line = {row: number for number, row in judged.items() if row}
    wanted = [(number, *row) for row, number in last_line.items()] + [
        (number, *[None] * 4) for number, row in judged.items() if not row
    ]
    assert sorted(found, key=lambda row: row[0]) == sorted(wanted)
    n_good = sum(row is not None for row in judged.values())
    assert (entry.n_records, entry.n_loaded, entry.n_duplicates) == (
        len(judged),
        len(last_line),
        n_good - len(last_line),
    )


@given(data=st.data())
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_damage_of_any_kind_is_an_error_of_ours_or_in_the_balance(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    world = World(tmp_path_factory.mktemp("damage"))
    sound = data.draw(st.sampled_from([FIRST.encode(), gzip.compress(FIRST.encode(), mtime=0)]))
    start = data.draw(st.integers(0, len(sound)))
    end = data.draw(st.integers(start, min(start + 4, len(sound))))
    world.put(sound[:start] + data.draw(st.binary(max_size=4)) + sound[end:])
    try:
        world.ingest(data.draw(st.sampled_from(["source.header=true", 'source.encoding="latin-1"'])))
    except OvernightError:
        assert world.ledger() == []
