"""The dense core against counts published for ML-100K and against brute force."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.density import Codes, Core, dense_core, k_core
from data.errors import EmptyCore
from data.settings import DensitySettings


def limits(per_user: int, per_item: int | None = None) -> DensitySettings:
    return DensitySettings(min_ratings_per_user=per_user, min_ratings_per_item=per_item or per_user)


@pytest.fixture(scope="module")
def codes(ml_100k: Path) -> tuple[Codes, Codes]:
    pairs = np.loadtxt(ml_100k / "u.data", dtype=np.int64, usecols=(0, 1))
    return (np.unique(pairs[:, 0], return_inverse=True)[1], np.unique(pairs[:, 1], return_inverse=True)[1])


@pytest.mark.parametrize(
    ("k", "n_users", "n_items", "density"),
    [
        (1, 943, 1682, 0.0630),
        (5, 943, 1349, 0.0780),
        (10, 943, 1152, 0.0902),
        (20, 917, 937, 0.1099),
        (50, 513, 560, 0.241),
    ],
)
def test_ml_100k(codes: tuple[Codes, Codes], k: int, n_users: int, n_items: int, density: float) -> None:
    core = dense_core(*codes, limits(k))
    assert (core.after.n_users, core.after.n_items, core.after.density) == (
        n_users,
        n_items,
        pytest.approx(density, rel=2e-3),
    )
    assert (core.before.n_users, core.before.n_items, core.before.n_ratings) == (943, 1682, 100_000)


@pytest.mark.parametrize("asked", [(100, 100), (400, 10), (5, 600)])
def test_an_empty_core_names_numbers_that_work(codes: tuple[Codes, Codes], asked: tuple[int, int]) -> None:
    with pytest.raises(EmptyCore) as caught:
        dense_core(*codes, limits(*asked))
    per_user, per_item = (
        int(number) for number in re.findall(r"min_ratings_per_(?:user|item) = (\d+)", str(caught.value))
    )
    works = dense_core(*codes, limits(per_user, per_item))
    kept = f"it keeps {works.after.n_users:,} users × {works.after.n_items:,} items ({works.after.n_ratings:,} ratings"
    assert kept in str(caught.value)
    assert (per_user, per_item) <= asked


def test_the_lowest_k_that_reaches_the_target_density(codes: tuple[Codes, Codes]) -> None:
    core = dense_core(*codes, DensitySettings(target_density=0.2))
    assert core.after.density >= 0.2 > dense_core(*codes, limits(core.min_ratings_per_user - 1)).after.density


def test_a_density_out_of_reach_names_one_that_is_not(codes: tuple[Codes, Codes]) -> None:
    _check_suggested_density(*codes, target=0.9)


def _check_suggested_density(users: Codes, items: Codes, target: float) -> Core | None:
    try:
        return dense_core(users, items, DensitySettings(target_density=target))
    except EmptyCore as error:
        (suggested,) = re.findall(r"Set density.target_density to ([0-9.]+) or less", str(error))
        assert dense_core(users, items, DensitySettings(target_density=float(suggested))).after.n_ratings
        return None


def _by_brute_force(pairs: list[tuple[int, int]], per_user: int, per_item: int) -> list[tuple[int, int]]:
    """One rating at a time, the last first: an order of removal quite unlike ours."""
    kept = list(pairs)
    while short := [
        (user, item)
        for user, item in kept
        if sum(u == user for u, _ in kept) < per_user or sum(i == item for _, i in kept) < per_item
    ]:
        kept.remove(short[-1])
    return kept


_PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30, unique=True)


@given(pairs=_PAIRS, per_user=st.integers(1, 4), per_item=st.integers(1, 4))
@settings(deadline=None)
def test_brute_force(pairs: list[tuple[int, int]], per_user: int, per_item: int) -> None:
    users, items = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    mask = k_core(users, items, per_user, per_item)
    assert [pair for pair, kept in zip(pairs, mask, strict=True) if kept] == _by_brute_force(pairs, per_user, per_item)
    if mask.any():
        report: dict[str, Any] = dense_core(users, items, limits(per_user, per_item)).report()
        assert report["after"]["n_ratings"] == mask.sum()


@given(pairs=_PAIRS, target=st.floats(0.01, 1))
@settings(deadline=None)
def test_a_target_density_is_reached_or_a_reachable_one_named(pairs: list[tuple[int, int]], target: float) -> None:
    users, items = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    core = _check_suggested_density(users, items, target)
    assert core is None or core.after.density >= target
