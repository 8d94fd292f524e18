"""The newest tenth of each user's ratings."""

import pytest
import torch

from models.holdout import split


@pytest.mark.parametrize("n", [1, 4, 5, 10, 14, 15, 25, 34, 35, 45, 105, 1005, 99_995])
def test_a_user_of_n_ratings_gives_the_nearest_tenth(n: int) -> None:
    assert int(split(torch.zeros(n, dtype=torch.int64), torch.arange(n), seed=1).sum()) == (n + 5) // 10


def test_a_half_is_rounded_up_also_where_binary_falls_short() -> None:
    assert 0.29 * 50 < 14.5
    assert int(split(torch.zeros(50, dtype=torch.int64), None, seed=1, share=0.29).sum()) == 15


def test_the_newest_are_held_out_whatever_their_order() -> None:
    draw = torch.Generator().manual_seed(0)
    user, time = torch.arange(60) % 3, torch.randperm(60, generator=draw)
    held = split(user, time, seed=42)
    for code in range(3):
        mine = user == code
        assert held[mine].sum() == 2
        assert time[mine & held].min() > time[mine & ~held].max()


def test_ties_in_time_are_broken_by_the_seed() -> None:
    user, time = torch.zeros(100, dtype=torch.int64), torch.ones(100, dtype=torch.int64)
    masks = [split(user, time, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert not masks[0][:10].all()  # not simply the first or the last rows
    assert not masks[0][-10:].all()


def test_without_timestamps_a_random_tenth_is_held_out() -> None:
    user = torch.arange(2000) % 20
    held = split(user, None, seed=3)
    assert torch.bincount(user[held]).tolist() == [10] * 20
    assert torch.equal(held, split(user, None, seed=3))
    assert not torch.equal(held, split(user, None, seed=4))


def test_another_share_and_nobody() -> None:
    assert split(torch.zeros(10, dtype=torch.int64), torch.arange(10), 1, share=0.25).nonzero().flatten().tolist() == [
        7,
        8,
        9,
    ]
    nothing = torch.tensor([], dtype=torch.int64)
    assert split(nothing, nothing, 1).shape == (0,)


def test_no_global_random_state_is_used() -> None:
    before = torch.get_rng_state()
    split(torch.arange(50) % 2, None, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
