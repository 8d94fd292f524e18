"""Metrics with answers worked out by hand."""

import math

import pytest
import torch

from models.metrics import coverage, mae, ndcg_at_k, recall_at_k, rmse
from models.ratings import RowLists

# three users: 7 and 3 are liked; nothing is liked; 1 is liked
RELEVANT = RowLists(torch.tensor([0, 2, 2, 3]), torch.tensor([3, 7, 1]))
TOP = torch.tensor([[7, 5, 3], [1, 2, 3], [4, 2, -1]])


def test_rmse_and_mae() -> None:
    predicted, rating = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 2.0])
    assert rmse(predicted, rating) == pytest.approx(math.sqrt(5 / 3))
    assert mae(predicted, rating) == pytest.approx(1.0)


def test_ndcg_at_3() -> None:
    """User 0: hits at ranks 1 and 3 of a possible 1 and 2; user 1 does not count; user 2 has none."""
    expected = (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert ndcg_at_k(TOP, RELEVANT, 3) == pytest.approx((expected + 0) / 2)


def test_ndcg_looks_at_k_places_only() -> None:
    assert ndcg_at_k(TOP, RELEVANT, 1) == pytest.approx((1 + 0) / 2)
    assert ndcg_at_k(TOP, RELEVANT, 10) == ndcg_at_k(TOP, RELEVANT, 3)


def test_recall_at_k() -> None:
    assert recall_at_k(TOP, RELEVANT, 3) == pytest.approx((2 / 2 + 0) / 2)
    assert recall_at_k(TOP, RELEVANT, 2) == pytest.approx((1 / 2 + 0) / 2)
    assert recall_at_k(TOP, RELEVANT, 1) == pytest.approx((1 / 1 + 0) / 2)


def test_a_perfect_list_is_1() -> None:
    perfect = torch.tensor([[3, 7, 0], [0, 1, 2], [1, 0, 2]])
    assert ndcg_at_k(perfect, RELEVANT, 3) == pytest.approx(1)
    assert recall_at_k(perfect, RELEVANT, 3) == pytest.approx(1)


def test_an_empty_place_is_no_hit_of_the_row_before() -> None:
    """Row 1's -1 must not be read as row 0's last item."""
    relevant = RowLists(torch.tensor([0, 1, 2]), torch.tensor([2, 0]))
    assert recall_at_k(torch.tensor([[0, 1], [-1, -1]]), relevant, 2) == 0


def test_coverage() -> None:
    assert coverage(TOP, 10) == pytest.approx(6 / 10)


def test_figures_over_nothing_are_nan() -> None:
    nothing = torch.tensor([])
    nobody = RowLists(torch.tensor([0, 0]), torch.tensor([], dtype=torch.int64))
    figures = [
        rmse(nothing, nothing),
        mae(nothing, nothing),
        ndcg_at_k(TOP[:1], nobody, 3),
        recall_at_k(TOP[:1], nobody, 3),
    ]
    assert all(math.isnan(figure) for figure in [*figures, coverage(TOP, 0)])
