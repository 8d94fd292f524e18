"""A wrong setting is named with the right one; nothing is read from anywhere else."""

import re
from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from data.read_settings import load_settings
from data.settings import Settings
from data.sources import rating_files
from models.config import FitConfig

MINIMAL = """
[source]
ratings = ["a.csv"]
columns = { user = 1, item = 2, rating = 3 }
scale = { min = 1, max = 5 }
"""


def load(tmp_path: Path, *overrides: str, text: str = MINIMAL) -> Settings:
    (tmp_path / "source.toml").write_text(text, "utf-8")
    return load_settings(tmp_path / "source.toml", overrides)


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.source.ids.user, settings.density.min_ratings_per_item, settings.publish.top_n) == (
        "integer",
        5,
        100,
    )
    assert settings.train.fit_config(settings.source.scale) == FitConfig(y_range=(0.5, 5.5))


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    source = load(
        tmp_path,
        'source.ratings=["a.csv", "/b/*.csv"]',
        "source.items={path='sub/items.csv',columns={item=1}}",
        "source.users={path='/users.csv',columns={user=1}}",
    ).source
    assert source.items is not None
    assert source.users is not None
    assert (source.ratings, source.items.path, source.users.path) == (
        [f"{tmp_path}/a.csv", "/b/*.csv"],
        f"{tmp_path}/sub/items.csv",
        "/users.csv",
    )


def test_the_folder_of_the_file_may_have_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "[2026]"
    folder.mkdir()
    (folder / "a.csv").touch()
    (folder / "[b].csv").touch()
    assert rating_files(load(folder, 'source.ratings="*.csv"').source.ratings) == [folder / "[b].csv", folder / "a.csv"]
    assert rating_files(load(folder, 'source.ratings="[b].csv"').source.ratings) == [folder / "[b].csv"]


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("density.min_ratings_per_user=10", 10),
        ("publish.top_n = 7", 7),
        ("train.device=cpu", "cpu"),
        ("train.deployment=", ""),
        ('train.deployment="a=b"', "a=b"),
        ("train.y_range=[0, 5.5]", (0.0, 5.5)),
        ("source.ids=string", "string"),
        ("source.ids.user=string", "string"),
        ("source.scale.step=0.5", 0.5),
        ("validate.max_age_days=1.5", 1.5),
        ('source.delimiter="\\t"', "\t"),
    ],
)
def test_set(tmp_path: Path, override: str, value: Any) -> None:
    found: Any = load(tmp_path, override).model_dump(by_alias=True)
    for part in override.partition("=")[0].strip().split("."):
        found = found[part]
    assert found == value or found["user"] == value


@pytest.mark.parametrize(
    ("override", "phrase"),
    [
        (
            "density.min_rating_per_user=1",
            "unknown key density.min_rating_per_user; the nearest valid one is density.min_ratings_per_user",
        ),
        ("densty.min_ratings_per_user=1", "the nearest valid one is density"),
        ("source.columns.usr=1", "the nearest valid one is source.columns.user"),
        ("source.scale.stop=1", "the nearest valid one is source.scale.step"),
        ("validation.max_age_days=1", "the nearest valid one is validate"),
        ("top_n=1", "the nearest valid one is publish.top_n"),
        ("source.seed=1", "the nearest valid one is train.seed"),
        ("source.items.pth=x", "the nearest valid one is source.items.path"),
        ("source.items.path=x", "source.items.columns is missing"),
        ("density=5", "density is a section, not a value"),
        ("source.columns.user.x=1", "user is a value, not a section"),
        ("nonsense", "expected KEY=VALUE"),
        ("=1", "expected KEY=VALUE"),
        ("density.min_ratings_per_user=many", "density.min_ratings_per_user: Input should be a valid integer"),
        ("density.min_ratings_per_user=0", "greater than or equal to 1"),
        ("validate.max_quarantined_share=1.5", "less than or equal to 1"),
        ("source.scale.min=5", "min 5 must lie below max 5"),
        ("source.scale.max=inf", "finite"),
        ("source.scale.min=nan", "finite"),
        ("source.scale.step=3", "steps of 3 from 1 do not reach 5"),
        ("source.columns.item=1", "column 1 is named twice"),
        ("source.columns.user=1.5", "source.columns.user"),
        ("source.header=false source", "source.header"),
        ('source.delimiter="\\n"', "a delimiter cannot hold"),
        ("source.delimiter='\"'", "a delimiter cannot hold"),
        ('source.delimiter=""', "at least 1 character"),
        ("source.ratings=[]", "at least 1 item"),
        ("source.ratings=~no-such-person/a.csv", "home directory"),
        ("source.timestamp_unit=h", "'s', 'ms', 'us' or 'iso'"),
        ('source.items={path="i", columns={item=1, features=["Title"]}}', "'Title' is the name of a column of ours"),
        ('source.items={path="i", columns={item=1, features=[2, 2]}}', "named twice"),
        (
            'source.users={path="i", columns={user=1, features=["user_id"]}}',
            "'user_id' is the name of a column of ours",
        ),
        ("train.device=gpu", "train.device"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, override: str, phrase: str) -> None:
    with pytest.raises(UsageError, match=re.escape(phrase)) as caught:
        load(tmp_path, override)
    assert "Nothing was started" in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "phrase"),
    [
        (("density.target_density=0.1", "density.min_ratings_per_user=3"), "leave out min_ratings_per_user"),
        (("source.header=false", "source.columns.user=name"), "columns.user is a name but header = false"),
    ],
)
def test_settings_that_exclude_each_other(tmp_path: Path, overrides: tuple[str, ...], phrase: str) -> None:
    with pytest.raises(UsageError, match=phrase):
        load(tmp_path, *overrides)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("", "source is missing"), ("[source", "cannot be read as TOML"), ("source = 1", "is a section")],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, phrase: str) -> None:
    with pytest.raises(UsageError, match=phrase):
        load(tmp_path, text=text)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such configuration"):
        load_settings(tmp_path / "nowhere.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(tmp_path)
