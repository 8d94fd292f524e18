"""The mean, damped biases and popularity, worked by hand."""

import torch

from models.baselines import damped_biases, popularity
from models.config import BaselineConfig
from models.ratings import Ratings

# user 0: items 0, 1 → 5, 3; user 1: item 0 → 4; item 2 and user 2 have nothing
RATINGS = Ratings(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]), torch.tensor([5.0, 3.0, 4.0]), 3, 3)


def test_biases_worked_by_hand() -> None:
    """mean 4; item 0: (1 + 0)/(2 + 1) = 1/3, item 1: -1/(1 + 1) = -1/2.

    Left over: user 0: (1 - 1/3) + (-1 + 1/2) = 1/6, / (2 + 2) = 1/24; user 1: 0 - 1/3, / (1 + 2) = -1/9.
    """
    found = damped_biases(RATINGS, BaselineConfig(item_damping=1, user_damping=2))
    assert found.global_mean == 4
    torch.testing.assert_close(found.item_bias, torch.tensor([1 / 3, -1 / 2, 0]))
    torch.testing.assert_close(found.user_bias, torch.tensor([1 / 24, -1 / 9, 0]))
    torch.testing.assert_close(
        found.predict(torch.tensor([0, 2]), torch.tensor([0, 2])), torch.tensor([4 + 1 / 3 + 1 / 24, 4.0])
    )


def test_without_damping_rows_without_ratings_have_no_bias() -> None:
    found = damped_biases(RATINGS, BaselineConfig(item_damping=0, user_damping=0))
    assert found.item_bias.tolist() == [0.5, -1.0, 0.0]
    assert found.user_bias[2] == 0


def test_popularity_counts() -> None:
    assert popularity(RATINGS).tolist() == [2, 1, 0]
