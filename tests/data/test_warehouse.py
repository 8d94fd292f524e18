"""The DuckDB file: closed to the outside, a version, and clear words when it is damaged."""

from pathlib import Path

import duckdb
import pytest

from data.errors import MachineError, UsageError
from data.settings import IdTypes
from data.warehouse import opened
from tests.worlds import HEADER, World

IDS = IdTypes()


@pytest.fixture
def loaded(world: World) -> World:
    world.load(HEADER + "1,10,3,100\n")
    return world


@pytest.mark.parametrize(
    "attack",
    [
        "select * from read_text('{secret}')",
        "copy ratings to '{root}/out.csv'",
        "attach '{root}/other.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "select * from glob('{root}/*')",
    ],
)
def test_nothing_outside_the_landing_folder_is_read_or_written(loaded: World, attack: str) -> None:
    secret = loaded.root / "secret"
    secret.write_text("secret")
    with opened(loaded.home, IDS, reads_landing=True) as connection, pytest.raises(duckdb.Error):
        connection.execute(attack.format(secret=secret, root=loaded.root)).fetchall()


def test_a_newer_format_is_left_alone(loaded: World) -> None:
    with opened(loaded.home, IDS) as connection:
        connection.execute("update meta set value = '99'")
    with (
        pytest.raises(UsageError, match=r"has format 99, this program knows up to 1\. Nothing was changed"),
        opened(loaded.home, IDS),
    ):
        pass


def test_a_damaged_file_is_the_machines_fault(loaded: World) -> None:
    loaded.home.warehouse.write_bytes(b"no database" * 1000)
    with pytest.raises(MachineError, match="cannot be opened"), opened(loaded.home, IDS):
        pass


def test_a_failing_disk_is_the_machines_fault(loaded: World) -> None:
    def fail(error: type[duckdb.Error]) -> None:
        with opened(loaded.home, IDS):
            raise error("could not write\nand more")

    for error in (duckdb.IOException, duckdb.OutOfMemoryException):
        with pytest.raises(MachineError, match=r"disk or memory said no: could not write\. What was committed"):
            fail(error)


def test_ids_have_the_types_of_the_source(tmp_path: Path) -> None:
    for name, ids, types in (
        ("a", IdTypes(), ["BIGINT", "BIGINT"]),
        ("b", IdTypes(user="string"), ["VARCHAR", "BIGINT"]),
    ):
        world = World(tmp_path / name)
        world.home.root.mkdir()
        with opened(world.home, ids) as connection:
            described = connection.execute("describe select user_id, item_id from latest_ratings").fetchall()
            assert [row[1] for row in described] == types
