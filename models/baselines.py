"""What a model must beat: the mean, and damped biases."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.config import BaselineConfig
from models.ratings import Ratings


@dataclass(frozen=True)
class DampedBiases:
    """prediction = global_mean + item_bias[i] + user_bias[u]; rows without ratings have bias 0.

    user_bias  (n_users,) float32      item_bias  (n_items,) float32, both in units of the rating scale
    """

    global_mean: float
    user_bias: Tensor
    item_bias: Tensor

    def predict(self, user_code: Tensor, item_code: Tensor) -> Tensor:
        """(n,) float32; not clipped to the scale."""
        return self.global_mean + self.user_bias[user_code] + self.item_bias[item_code]


def damped_biases(ratings: Ratings, config: BaselineConfig) -> DampedBiases:
    """The biases of items, then of users on what is left.

    item_bias[i] = sum of (rating - mean) over i's ratings / (their number + item_damping); user_bias likewise on
    rating - mean - item_bias. A damping of 5 counts five average ratings along: few ratings move a bias little.
    """
    rating = ratings.rating.double()
    mean = rating.mean() if len(ratings) else rating.new_zeros(())
    item_bias = _damped_mean(ratings.item_code, rating - mean, ratings.n_items, config.item_damping)
    left = rating - mean - item_bias[ratings.item_code]
    user_bias = _damped_mean(ratings.user_code, left, ratings.n_users, config.user_damping)
    return DampedBiases(mean.item(), user_bias.float(), item_bias.float())


def _damped_mean(code: Tensor, value: Tensor, n: int, damping: float) -> Tensor:
    """(n,) float64: sum / (count + damping), 0 where both are 0."""
    total = torch.bincount(code, weights=value, minlength=n)
    weight = torch.bincount(code, minlength=n).double() + damping
    return total / weight.clamp_min(torch.finfo(torch.float64).tiny)


def popularity(ratings: Ratings) -> Tensor:
    """How many ratings each item has, (n_items,) int64."""
    return torch.bincount(ratings.item_code, minlength=ratings.n_items)
