"""The quarantine as a person asks for it."""

import pytest

from data.errors import HomeLocked, UsageError
from data.quarantine import quarantined
from data.warehouse import opened
from tests.nights import overnight
from tests.worlds import HEADER, World

BAD = HEADER + "1,1,4.0,1600000000\n1,2,9.0,1600000000\n1,3,9.5,1600000000\nx,1,4.0,1600000000\n1,4,8.0,1600000000\n"


def test_counts_by_file_and_reason_with_the_first_examples(world: World) -> None:
    world.load(BAD)
    off_scale, bad_user = quarantined(world.home, 2)
    assert (off_scale["file"], off_scale["status"], off_scale["reason"], off_scale["n_rows"]) == (
        "ratings.csv",
        "accepted",
        "rating_off_scale",
        3,
    )
    assert off_scale["examples"] == [
        {"line": 3, "raw": "1,2,9.0,1600000000"},
        {"line": 4, "raw": "1,3,9.5,1600000000"},
    ]
    assert (bad_user["reason"], bad_user["n_rows"]) == ("bad_user_id", 1)
    assert quarantined(world.home, 0)[0]["examples"] == []


def test_the_command_shows_and_counts(world: World) -> None:
    world.load(BAD)
    assert overnight("quarantine", "--home", world.home.root, "--json").json["quarantine"][0]["n_rows"] == 3
    shown = overnight("quarantine", "--home", world.home.root, "--examples", "1")
    assert "line 3: 1,2,9.0,1600000000" in shown.out
    assert "line 4" not in shown.out


def test_nothing_in_quarantine_and_nothing_ingested(world: World) -> None:
    with pytest.raises(UsageError, match="nothing was ingested here yet"):
        quarantined(world.home, 3)
    world.load(HEADER + "1,1,4.0,1600000000\n")
    assert quarantined(world.home, 3) == []


def test_while_a_run_writes_it_is_said_so(world: World) -> None:
    world.load(BAD)
    with opened(world.home, world.settings().source.ids), pytest.raises(HomeLocked, match="a run is writing to it"):
        quarantined(world.home, 3)
    assert len(quarantined(world.home, 3)) == 2
