"""Ratings as triples and grouped by row."""

import torch

from models.ratings import Ratings, group_rows

RATINGS = Ratings(torch.tensor([2, 0, 2, 0]), torch.tensor([1, 1, 0, 0]), torch.tensor([5.0, 4.0, 3.0, 2.0]), 3, 2)


def test_select_by_mask_and_by_rows_keeps_the_world() -> None:
    chosen = RATINGS.select(RATINGS.rating > 3)
    assert (len(chosen), chosen.n_users, chosen.n_items) == (2, 3, 2)
    assert chosen.user_code.tolist() == [2, 0]
    assert RATINGS.select(torch.tensor([3, 0])).rating.tolist() == [2.0, 5.0]


def test_grouped_by_user_and_item() -> None:
    by_user = RATINGS.by_user()
    assert by_user.offsets.tolist() == [0, 2, 2, 4]
    assert by_user.code.tolist() == [0, 1, 0, 1]
    assert by_user.rating is not None
    assert by_user.rating.tolist() == [2.0, 4.0, 3.0, 5.0]
    assert RATINGS.by_item().code.tolist() == [0, 2, 0, 2]


def test_entries_of_some_rows_in_any_order_with_empty_ones() -> None:
    position, entry = RATINGS.by_user().entries_of(torch.tensor([2, 1, 0]))
    assert position.tolist() == [0, 0, 2, 2]
    assert entry.tolist() == [2, 3, 0, 1]


def test_grouping_nothing() -> None:
    nothing = torch.tensor([], dtype=torch.int64)
    assert group_rows(nothing, nothing, None, 2).offsets.tolist() == [0, 0, 0]
