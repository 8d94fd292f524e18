"""Nights in a row: healthy ones pass, bad ones leave what is published alone and say why."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import polars as pl
import pytest

import tasks.judge
from data.home import Home
from data.published import open_current
from models.judge import AgainstChampion
from tests.nights import add_file, overnight, parquet_hashes, planted_lines, published, source, state

GATE = "[gate]\nmin_new_ratings = 50"


def test_ten_healthy_nights_with_growing_data_pass(tmp_path: Path) -> None:
    lines = planted_lines()
    first, step = len(lines) // 2, len(lines) // 20
    config, home = source(tmp_path, lines[:first], GATE), tmp_path / "home"
    against_new_ratings = 0
    for night in range(10):
        if night:
            start = first + (night - 1) * step
            add_file(tmp_path, f"ratings-{night}.csv", lines[start : start + step])
        answer = overnight("run", "--config", config, "--home", home)
        assert answer.code == 0, answer.err
        manifest = json.loads((published(home) / "manifest.json").read_text())
        against_new_ratings += "newer than the champion's snapshot" in " ".join(manifest["gate"]["reasons"])
    assert len(list((home / "published/runs").iterdir())) == 10
    assert against_new_ratings >= 5  # the rule that DESIGN prefers was really taken
    ledger = json.loads((home / "ledger.json").read_text())
    assert ledger["accepted"] == 10
    assert ledger["n_records"] == ledger["n_loaded"] == first + 9 * step


def spoiled(name: str, lines: list[str]) -> list[str]:
    """A later file of 4,000 ratings of the same people whose ratings have lost their meaning."""
    random = Random(name)
    fresh = [line.split(",") for line in planted_lines(seed=2)[:4000]]
    if name == "inverted":
        ratings = [f"{5.5 - float(fields[2])}" for fields in fresh]
    else:
        ratings = [fields[2] for fields in fresh]
        random.shuffle(ratings)
    return [
        f"{user},{item},{rating},{int(time) + 10_000_000}"
        for (user, item, _, time), rating in zip(fresh, ratings, strict=True)
    ]


@pytest.mark.parametrize("name", ["inverted", "shuffled"])
def test_a_night_of_senseless_ratings_is_refused_and_current_stands(name: str, tmp_path: Path) -> None:
    config, home = source(tmp_path, planted_lines(), GATE), tmp_path / "home"
    assert overnight("run", "--config", config, "--home", home).code == 0
    before = state(home)
    add_file(tmp_path, "ratings-1.csv", spoiled(name, []))
    answer = overnight("run", "--config", config, "--home", home)
    assert answer.code == 1, answer.err
    assert "the gate refused tonight's model" in answer.err
    assert state(home) == before
    record = json.loads(sorted((home / "runs").glob("*/run.json"))[-1].read_text())
    assert record["outcome"]["name"] == "refused"
    assert record["decision"]["blessed"] is False
    assert (
        json.loads((home / "ledger.json").read_text())["accepted"] == 2
    )  # the ratings count: it is the model that was refused


def test_a_figure_that_is_not_a_number_never_passes_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, home = source(tmp_path, planted_lines()), tmp_path / "home"

    def not_a_number(metrics: object, *names: str) -> float:
        return float("nan")

    monkeypatch.setattr(tasks.judge, "figure", not_a_number)
    assert overnight("run", "--config", config, "--home", home).code == 1
    assert open_current(Home(home)) is None


def test_the_champion_is_of_an_earlier_snapshot_and_scored_on_what_it_has_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = planted_lines()
    config, home = source(tmp_path, lines[:-1000], GATE), tmp_path / "home"
    overnight("run", "--config", config, "--home", home)
    champion = published(home).name
    overnight("run", "--config", config, "--home", home, "--force")  # the same snapshot again: no champion for itself
    assert json.loads((published(home) / "manifest.json").read_text())["gate"]["champion"] is None
    add_file(tmp_path, "ratings-1.csv", lines[-1000:])
    seen: list[AgainstChampion | None] = []
    judge: Callable[..., object] = tasks.judge.judge

    def watched(evidence: tasks.judge.Evidence, gate: object) -> object:
        seen.append(evidence.champion)
        return judge(evidence, gate)

    monkeypatch.setattr(tasks.judge, "judge", watched)
    overnight("run", "--config", config, "--home", home)
    manifest = json.loads((published(home) / "manifest.json").read_text())
    assert manifest["gate"]["champion"] != champion  # the newest of the earlier snapshot
    assert seen[0] is not None
    new_pairs = {tuple(line.split(",")[:2]) for line in lines[-1000:]}
    assert 0 < seen[0].n_new_ratings <= len(new_pairs)


def test_validation_refuses_a_night_with_far_too_many_rows(tmp_path: Path) -> None:
    lines = planted_lines()
    config, home = source(tmp_path, lines[:3000], "[validate]\nmax_volume_ratio = 3"), tmp_path / "home"
    assert overnight("ingest", "--config", config, "--home", home).code == 0
    for night in range(4):
        add_file(tmp_path, f"ratings-{night + 1}.csv", lines[3000 + 100 * night : 3100 + 100 * night])
        assert overnight("ingest", "--config", config, "--home", home).code == 0
    add_file(tmp_path, "ratings-9.csv", lines[4000:6000])
    answer = overnight("ingest", "--config", config, "--home", home)
    assert answer.code == 1
    assert "validation failed" in answer.err
    ledger = json.loads((home / "ledger.json").read_text())
    assert (ledger["accepted"], ledger["refused"], ledger["n_refused"]) == (5, 1, 2000)
    folder = sorted((home / "runs").iterdir())[-1]
    assert "volume" in (folder / "validation.html").read_text()
    assert json.loads((folder / "validation.json").read_text())["passed"] is False


def test_everybody_has_a_list_and_people_outside_the_core_are_folded_in(tmp_path: Path) -> None:
    lines = planted_lines()
    movies = sorted({line.split(",")[1] for line in lines}, key=int)
    few = [f"9001,{movies[0]},5.0,1600000000", f"9001,{movies[2]},5.0,1600000000", f"9001,{movies[1]},0.5,1600000000"]
    alone = ["9002,193609,4.0,1600000000"]  # somebody whose only movie nobody else rated
    config, home = source(tmp_path, [*lines, *few, *alone]), tmp_path / "home"
    assert overnight("run", "--config", config, "--home", home).code == 0
    lists = pl.read_parquet(published(home) / "recommendations/*.parquet")
    per_user = lists.group_by("user_id").agg(pl.len(), pl.col("source").first())
    assert dict(per_user.select("user_id", "source").iter_rows())[9001] == "fold_in"
    assert dict(per_user.select("user_id", "source").iter_rows())[9002] == "bias"
    assert per_user.height == 152
    taste = {movie: place % 2 for place, movie in enumerate(movies)}
    liked = lists.filter(pl.col("user_id") == 9001).head(10)["item_id"].cast(pl.String).to_list()
    assert sum(taste.get(movie) == 0 for movie in liked) >= 8  # three ratings say which taste it is


def test_published_scores_follow_the_formula(tmp_path: Path) -> None:
    config, home = source(tmp_path, planted_lines()), tmp_path / "home"
    overnight("run", "--config", config, "--home", home)
    run = published(home)
    low, high = json.loads((run / "manifest.json").read_text())["model"]["y_range"]
    lists = pl.read_parquet(run / "recommendations/*.parquet")
    for side in ("user", "item"):
        table = pl.read_parquet(run / f"{side}_biases.parquet").join(
            pl.read_parquet(run / f"{side}_factors.parquet"), on=f"{side}_id"
        )
        lists = lists.join(
            table.select(
                f"{side}_id", pl.col("bias").alias(f"{side}_bias"), pl.col("factors").alias(f"{side}_factors")
            ),
            on=f"{side}_id",
            maintain_order="left",
        )
    product = (lists["user_factors"].to_numpy() * lists["item_factors"].to_numpy()).sum(1)
    score = product + lists["user_bias"].to_numpy() + lists["item_bias"].to_numpy()
    assert abs(score - lists["score"].to_numpy()).max() < 1e-4
    predicted = (low + (high - low) / (1 + 2.718281828459045**-score)).clip(0.5, 5.0)
    assert abs(predicted - lists["predicted_rating"].to_numpy()).max() < 1e-4


def test_two_sources_of_string_ids_and_another_scale(tmp_path: Path) -> None:
    lines = [line.split(",") for line in planted_lines()]
    text = ["user|item|stars"] + [f"u-{user}|{item}X|{2 * float(rating) - 1:g}" for user, item, rating, _ in lines]
    (tmp_path / "log.txt").write_text("\n".join(text) + "\n")
    (tmp_path / "mine.toml").write_text("""
[source]
ratings = ["log.txt"]
delimiter = "|"
columns = { user = "user", item = "item", rating = "stars" }
ids = "string"
scale = { min = 0, max = 9, step = 1 }
[train]
n_factors = 8
batch_size = 32
""")
    answer = overnight("run", "--config", tmp_path / "mine.toml", "--home", tmp_path / "home")
    assert answer.code == 0, answer.err
    shown = overnight("show", "u-1", "-n", "3", "--home", tmp_path / "home", "--json").json
    assert shown["known"]
    assert all(row["item_id"].endswith("X") for row in shown["recommendations"])
    again = overnight("run", "--config", tmp_path / "mine.toml", "--home", tmp_path / "again")
    assert again.code == 0
    assert parquet_hashes(published(tmp_path / "again")) == parquet_hashes(published(tmp_path / "home"))


def world(pairs: list[tuple[int, int, float]]) -> list[str]:
    """Ratings as lines, a second apart."""
    return [f"{user},{item},{rating},{1_600_000_000 + n}" for n, (user, item, rating) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("pairs", "code", "phrase"),
    [
        ([(1, 1, 3.0)], 1, "(not measured)"),
        ([(user, item, 1.0 + user) for user in (1, 2, 3) for item in (1, 2)], 1, "(not measured)"),
        (
            [(user, item, 3.0) for user in range(1, 20) for item in range(1, 20)],
            1,
            "is not below that of the damped biases",
        ),
        ([], 1, "latest ratings: 0"),
    ],
    ids=["one rating", "too few for a holdout", "one opinion", "a header alone"],
)
def test_very_small_worlds_end_in_one_sentence(
    pairs: list[tuple[int, int, float]], code: int, phrase: str, tmp_path: Path
) -> None:
    core = "[density]\nmin_ratings_per_user = 1\nmin_ratings_per_item = 1"
    answer = overnight("run", "--config", source(tmp_path, world(pairs), core), "--home", tmp_path / "home")
    assert answer.code == code, answer.err
    assert phrase in answer.err
    assert "a fault in Overnight" not in answer.err


def test_where_everybody_has_rated_everything_there_is_nothing_to_recommend(tmp_path: Path) -> None:
    config, home = source(tmp_path, planted_lines(n_users=100, n_items=40, per_user=40)), tmp_path / "home"
    assert overnight("run", "--config", config, "--home", home).code == 0
    assert pl.read_parquet(published(home) / "recommendations/*.parquet").is_empty()
    assert pl.read_parquet(published(home) / "user_biases.parquet").height == 100
    shown = overnight("show", "1", "--home", home, "--json").json
    assert (shown["known"], shown["source"], shown["recommendations"]) == (True, "nothing_left", [])
    assert "rated everything" in overnight("show", "1", "--home", home).err
