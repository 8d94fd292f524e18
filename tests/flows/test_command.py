"""The command as its three kinds of users meet it."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from data.home import Home, locked
from tests.nights import CHECKOUT, HEADER, add_file, overnight, parquet_hashes, planted_lines, published, source, state


def test_a_night_publishes_every_table_and_says_what_to_try_next(small_home: Path) -> None:
    tables = {path.split("/")[0].removesuffix(".parquet") for path in parquet_hashes(published(small_home))}
    assert tables == {
        "recommendations",
        "default_recommendations",
        "similar_items",
        "item_biases",
        "user_biases",
        "item_factors",
        "user_factors",
        "items",
        "metrics",
    }
    manifest = json.loads((published(small_home) / "manifest.json").read_text())
    assert manifest["gate"]["blessed"]
    assert {file["path"] for file in manifest["files"]} >= set(parquet_hashes(published(small_home)))
    record = json.loads(next((small_home / "runs").glob("*/run.json")).read_text())
    assert [stage["name"] for stage in record["stages"]] == [
        "ingest",
        "validate",
        "filter_density",
        "train_model",
        "judge_model",
        "publish",
    ]


def test_two_homes_with_the_same_input_and_seed_hold_bit_identical_tables(
    small_source: Path, small_home: Path, tmp_path: Path
) -> None:
    answer = overnight("run", "--config", small_source, "--home", tmp_path / "home")
    assert answer.code == 0, answer.err
    assert parquet_hashes(published(tmp_path / "home")) == parquet_hashes(published(small_home))


def test_another_seed_gives_other_tables(small_source: Path, small_home: Path, tmp_path: Path) -> None:
    overnight("run", "--config", small_source, "--home", tmp_path / "home", "--set", "train.seed=7")
    assert parquet_hashes(published(tmp_path / "home")) != parquet_hashes(published(small_home))


def test_with_nothing_new_current_stands_and_force_trains_again(
    small_source: Path, small_home: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(small_home, home, symlinks=True)
    before = state(home)
    answer = overnight("run", "--config", small_source, "--home", home)
    assert (answer.code, state(home)) == (0, before)
    assert "nothing new" in answer.err
    again = overnight("run", "--config", small_source, "--home", home, "--force")
    assert again.code == 0, again.err
    assert len(list((home / "published/runs").iterdir())) == 2
    assert parquet_hashes(published(home)) == parquet_hashes(published(small_home))


def test_the_stages_one_by_one_publish_what_a_run_publishes(
    small_source: Path, small_home: Path, tmp_path: Path
) -> None:
    where = ("--config", small_source, "--home", tmp_path / "home")
    for stage in ("ingest", "train", "publish"):
        answer = overnight(stage, *where)
        assert answer.code == 0, answer.err
    assert parquet_hashes(published(tmp_path / "home")) == parquet_hashes(published(small_home))
    nothing_left = overnight("publish", *where)
    assert nothing_left.code == 2
    assert "overnight train" in nothing_left.err


def test_publish_takes_no_older_model_and_no_other_settings(small_source: Path, tmp_path: Path) -> None:
    where = ("--config", small_source, "--home", tmp_path / "home")
    for stage in ("ingest", "train"):
        overnight(stage, *where)
    other = overnight("publish", *where, "--set", "train.seed=7")
    assert other.code == 2
    assert "seed 42 then, 7 now" in other.err
    assert overnight("run", *where).code == 0
    current = published(tmp_path / "home")
    assert overnight("publish", *where).code == 2
    assert published(tmp_path / "home") == current


def test_a_prefect_server_that_is_not_there_is_one_message(small_source: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path / "prefect")}
    code = "from flows.command import main; main()"
    arguments = ["run", "--config", str(small_source), "--home", str(tmp_path / "home")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    assert "the Prefect server at PREFECT_API_URL does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_changes_nothing(small_source: Path, tmp_path: Path) -> None:
    answer = overnight("run", "--config", small_source, "--home", tmp_path / "home", "--dry-run", "--json")
    assert (answer.code, answer.json["n_new"]) == (0, 1)
    assert not (tmp_path / "home").exists()


# Bad input: one message, the right exit code, nothing changed.


def bad(
    tmp_path: Path,
    small_home: Path,
    *arguments: str,
    lines: list[str] | None = None,
    text: str | None = None,
    toml: str = "",
) -> tuple[int, str]:
    """Add a bad file to a copy of a good home and run; what was published must stand."""
    home = tmp_path / "home"
    shutil.copytree(small_home, home, symlinks=True)
    config = source(tmp_path / "source", planted_lines(), toml)
    if lines is not None:
        add_file(tmp_path / "source", "ratings-1.csv", lines)
    if text is not None:
        (tmp_path / "source/inbox/ratings-1.csv").write_text(text)
    before = state(home)
    answer = overnight("run", "--config", config, "--home", home, *arguments)
    assert state(home) == before
    assert "Traceback" not in answer.err + answer.out
    *stages, message = answer.err.strip().splitlines()
    assert all(line.startswith(("✓", "✗")) for line in stages), answer.err
    return answer.code, message


def test_a_missing_rating_file(tmp_path: Path, small_home: Path) -> None:
    code, message = bad(tmp_path, small_home, "--set", 'source.ratings=["nowhere.csv"]')
    assert code == 2
    assert "nowhere.csv: no such file" in message


def test_an_unknown_column(tmp_path: Path, small_home: Path) -> None:
    code, message = bad(tmp_path, small_home, "--set", "source.columns.user=customer", lines=["1,1,4.0,1600000000"])
    assert code == 2
    assert "no column 'customer'" in message


def test_an_unknown_key_names_the_nearest(tmp_path: Path, small_home: Path) -> None:
    code, message = bad(tmp_path, small_home, "--set", "density.min_rating_per_user=5")
    assert code == 2
    assert "density.min_ratings_per_user" in message


def test_ratings_off_the_scale(tmp_path: Path, small_home: Path) -> None:
    code, message = bad(tmp_path, small_home, lines=["1,1,9.0,1600000000", "1,2,4.0,1600000000"])
    assert code == 1
    assert "ratings-1.csv: 1 of 2 rows (50.00%)" in message
    assert "limit is 0.10%" in message


def test_an_empty_file(tmp_path: Path, small_home: Path) -> None:
    code, message = bad(tmp_path, small_home, text="")
    assert code == 1
    assert "ratings-1.csv is empty (0 bytes)" in message


def test_a_density_that_leaves_nothing_names_numbers_that_work(tmp_path: Path, small_home: Path) -> None:
    code, message = bad(tmp_path, small_home, "--set", "density.min_ratings_per_user=5000")
    assert code == 1
    assert "works: it keeps" in message


def test_a_y_range_that_cannot_reach_the_ratings(tmp_path: Path, small_home: Path) -> None:
    code, message = bad(tmp_path, small_home, "--set", "train.y_range=[0, 0.5]")
    assert code == 2
    assert "y_range 0..0.5 cannot reach" in message


def test_a_home_of_another_source(tmp_path: Path, small_home: Path) -> None:
    code, message = bad(tmp_path, small_home, "--set", "source.ids=string")
    assert code == 2
    assert "serves another source" in message


def test_a_learning_rate_that_diverges(tmp_path: Path, small_home: Path) -> None:
    code, _ = bad(tmp_path, small_home, "--set", "train.learning_rate=1e6")
    assert code == 1


@pytest.mark.parametrize(
    "arguments",
    [("run", "--config", "nowhere.toml"), ("run", "--set", "nonsense"), ("show", "1"), ("status", "--bogus")],
)
def test_wrong_usage(arguments: tuple[str, ...], tmp_path: Path) -> None:
    home = ("--home", tmp_path / "home") if "--bogus" not in arguments else ()
    answer = overnight(*arguments, *home)
    assert answer.code == 2
    assert answer.err.strip()


def test_a_home_that_is_a_file_or_somebody_elses(small_source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/thesis.txt").write_text("mine")
    for home in ("file", "folder"):
        assert overnight("run", "--config", small_source, "--home", tmp_path / home).code == 2
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["thesis.txt"]


def hold(home: Path, held: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event") -> None:
    """Hold the lock of a home until told."""
    with locked(Home(home), "test"):
        held.set()
        done.wait(60)


def test_a_second_run_leaves_with_code_3_and_names_the_holder(
    small_source: Path, small_home: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(small_home, home, symlinks=True)
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(home, held, done))
    holder.start()
    assert held.wait(60)
    try:
        answer = overnight("run", "--config", small_source, "--home", home)
        assert answer.code == 3
        assert f"process {holder.pid}" in answer.err
        assert overnight("status", "--home", home).code == 0  # readers wait for nobody
    finally:
        done.set()
        holder.join()


# Readers.


def test_status_for_a_program(small_home: Path) -> None:
    answer = overnight("status", "--home", small_home, "--json")
    assert answer.code == 0
    assert answer.json["current"] == published(small_home).name
    ledger = answer.json["ledger"]
    assert (
        ledger["n_records"]
        == ledger["n_loaded"] + ledger["n_duplicates"] + ledger["n_quarantined"] + ledger["n_refused"]
        > 0
    )
    assert answer.json["last_run"]["outcome"]["name"] == "done"


def test_status_is_stale_when_the_last_publication_is_old_or_never_was(
    small_home: Path, small_source: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(small_home, home, symlinks=True)
    manifest = published(home) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"published_at": "20', '"published_at": "19'))
    assert overnight("status", "--home", home).code == 4
    overnight("run", "--config", small_source, "--home", tmp_path / "new", "--set", "density.min_ratings_per_user=5000")
    assert overnight("status", "--home", tmp_path / "new").code == 4
    assert overnight("status", "--home", tmp_path / "untouched").code == 0


def test_show_knows_titles_and_sources_and_gives_strangers_the_default_list(small_home: Path) -> None:
    known = overnight("show", "1", "-n", "5", "--home", small_home, "--json").json
    assert known["known"]
    assert known["source"] == "model"
    assert len(known["recommendations"]) == 5
    assert all(row["title"] for row in known["recommendations"] + known["rated"])
    stranger = overnight("show", "999999", "--home", small_home, "--json").json
    assert (stranger["known"], stranger["source"]) == (False, "default")
    assert overnight("show", "abc", "--home", small_home).code == 2


def test_similar(small_home: Path) -> None:
    answer = overnight("similar", "1", "-n", "3", "--home", small_home, "--json").json
    assert answer["title"] == "Toy Story (1995)"
    assert len(answer["similar"]) == 3
    assert overnight("similar", "99999999", "--home", small_home).code == 2


def test_query_reads_the_tables_and_nothing_else(small_home: Path) -> None:
    answer = overnight("query", "select count(*) as n from recommendations", "--home", small_home, "--json").json
    assert answer["columns"] == ["n"]
    assert answer["rows"][0][0] == pl.read_parquet(published(small_home) / "recommendations/*.parquet").height
    for sql in (
        f"from read_text('{CHECKOUT / 'pyproject.toml'}')",
        f"copy items to '{small_home / 'out.csv'}'",
        "selekt 1",
    ):
        refused = overnight("query", sql, "--home", small_home)
        assert refused.code == 2, sql
    assert not (small_home / "out.csv").exists()


def test_predict_keeps_rows_order_and_columns_and_knows_something_of_everybody(
    small_home: Path, tmp_path: Path
) -> None:
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    pairs.write_text("user_id,note,item_id\n1,a,1\n999999,b,1\n1,c,99999999\n999999,d,99999999\n1,e,1\n,f,\nx,g,007\n")
    assert overnight("predict", pairs, "--out", out, "--home", small_home).code == 0
    answer = pl.read_csv(out, infer_schema=False)
    assert answer.columns == ["user_id", "note", "item_id", "predicted_rating"]
    assert "".join(answer["note"]) == "abcdefg"
    predicted = answer["predicted_rating"].cast(pl.Float64)
    assert predicted.null_count() == 0
    assert predicted.is_between(0.5, 5.0).all()
    assert predicted[0] == predicted[4]
    assert predicted[3] == predicted[5] == predicted[6]
    parquet = tmp_path / "out.parquet"
    assert overnight("predict", out, "--out", parquet, "--home", small_home).code == 0
    assert (
        pl.read_parquet(parquet)["predicted_rating"].cast(pl.Float64).round(5).to_list() == predicted.round(5).to_list()
    )


def test_predict_agrees_with_the_published_lists(small_home: Path, tmp_path: Path) -> None:
    lists = pl.read_parquet(published(small_home) / "recommendations/*.parquet")
    lists.select("user_id", "item_id").write_parquet(tmp_path / "pairs.parquet")
    assert (
        overnight("predict", tmp_path / "pairs.parquet", "--out", tmp_path / "out.parquet", "--home", small_home).code
        == 0
    )
    predicted = pl.read_parquet(tmp_path / "out.parquet")["predicted_rating"]
    assert (predicted - lists["predicted_rating"]).abs().max() < 1e-4


@pytest.mark.parametrize(("text", "phrase"), [("user_id,movie\n1,1\n", "no column item_id"), ("", "is empty")])
def test_predict_refuses_what_it_cannot_read(text: str, phrase: str, small_home: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    answer = overnight("predict", tmp_path / "pairs.csv", "--out", tmp_path / "out.csv", "--home", small_home)
    assert answer.code == 2
    assert phrase in answer.err
    assert not (tmp_path / "out.csv").exists()


def test_init_writes_a_toml_that_runs(tmp_path: Path) -> None:
    file = add_file(tmp_path, "log.csv", planted_lines(40))
    config = tmp_path / "mine.toml"
    assert overnight("init", file, "--out", config).code == 0
    assert overnight("ingest", "--config", config, "--home", tmp_path / "home").code == 0
    again = overnight("init", file, "--out", config)
    assert again.code == 2
    assert HEADER in file.read_text()
