"""Files, folders and globs become one list, each file once."""

from pathlib import Path

import pytest

from data.errors import UsageError
from data.sources import existing_file, rating_files


def test_each_file_once_in_the_order_of_the_patterns(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", ".hidden", "x.txt"):
        (tmp_path / name).touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.csv").touch()
    found = rating_files(
        [str(tmp_path / "b.csv"), str(tmp_path / "*.csv"), str(tmp_path), str(tmp_path / "**" / "*.csv")]
    )
    assert [path.name for path in found] == ["b.csv", "a.csv", "x.txt", "c.csv"]


def test_a_file_of_that_very_name_is_no_glob(tmp_path: Path) -> None:
    for name in ("a.csv", "[a].csv", "*.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in rating_files([str(tmp_path / name) for name in ("[a].csv", "*.csv")])] == [
        "[a].csv",
        "*.csv",
    ]


@pytest.mark.parametrize("pattern", ["nowhere.csv", "*.csv", "empty"])
def test_nothing_there(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"Nothing was loaded"):
        rating_files([str(tmp_path / pattern)])


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file \(source.items.path\)"):
        existing_file(str(tmp_path), "source.items.path")
