"""The gate's truth table."""

from math import inf, nan

import pytest

from models.config import GateConfig
from models.judge import AgainstChampion, Evidence, judge

CONFIG = GateConfig(tolerance=0.01, chance=0.0, min_new_ratings=1000)
N = 10_000
BAD = [None, nan, inf, -inf]


@pytest.mark.parametrize(
    ("challenger", "baseline", "blessed"),
    [(0.90, 0.95, True), (0.95, 0.95, False), (0.96, 0.95, False)]
    + [(bad, 0.95, False) for bad in BAD]
    + [(0.90, bad, False) for bad in BAD],
)
def test_the_first_night_the_baseline_decides(challenger: float | None, baseline: float | None, blessed: bool) -> None:
    decision = judge(Evidence(challenger, baseline, N), CONFIG)
    assert decision.blessed is blessed
    assert len(decision.reasons) == 2


@pytest.mark.parametrize(
    ("challenger", "champion", "blessed"),
    [(0.90, 0.95, True), (0.90, 0.90, True), (0.908, 0.90, True), (0.91, 0.90, False)]
    + [(bad, 0.90, False) for bad in BAD]
    + [(0.90, bad, False) for bad in BAD],
)
def test_both_modes_against_the_champion(challenger: float | None, champion: float | None, blessed: bool) -> None:
    on_new = AgainstChampion(1000, challenger, champion, champion_holdout_rmse=None)
    assert judge(Evidence(0.90, 0.95, N, on_new), CONFIG).blessed is blessed
    on_holdout = AgainstChampion(999, None, None, champion_holdout_rmse=champion)
    assert judge(Evidence(challenger, 0.95, N, on_holdout), CONFIG).blessed is blessed


def test_with_enough_new_ratings_the_stored_figures_do_not_count() -> None:
    assert judge(Evidence(0.90, 0.95, N, AgainstChampion(1000, 0.80, 0.80, champion_holdout_rmse=0.1)), CONFIG).blessed
    assert not judge(
        Evidence(0.90, 0.95, N, AgainstChampion(1000, 0.80, 0.70, champion_holdout_rmse=9.9)), CONFIG
    ).blessed


def test_beating_the_champion_does_not_replace_beating_the_baseline() -> None:
    assert not judge(
        Evidence(0.96, 0.95, N, AgainstChampion(0, None, None, champion_holdout_rmse=0.99)), CONFIG
    ).blessed


def test_reasons_name_figures_and_limits() -> None:
    reasons = " ".join(judge(Evidence(0.9211, 0.95, N, AgainstChampion(12, None, None, 0.91)), CONFIG).reasons)
    for figure in ("0.9211", "0.9500", "0.9100", "0.9191", "1.0%", "12 newer ratings", "1,000"):
        assert figure in reasons
    assert "is not within the limit" in reasons


def test_a_missing_figure_is_named() -> None:
    assert "not measured" in judge(Evidence(None, 0.95, N), CONFIG).reasons[0]


@pytest.mark.parametrize(("n_holdout", "blessed"), [(1_000, True), (100_000, False), (0, False)])
def test_few_ratings_leave_room_for_chance(n_holdout: int, blessed: bool) -> None:
    config = GateConfig(tolerance=0.01, chance=1.0, min_new_ratings=1000)
    against = AgainstChampion(0, None, None, champion_holdout_rmse=0.90)
    assert judge(Evidence(0.90 * 1.02, 0.95, n_holdout, against), config).blessed is blessed  # 1 % + 2.2 %, or + 0.2 %
