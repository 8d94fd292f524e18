"""From a snapshot's Parquet to the tensors of the models."""

from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from data.snapshot import Snapshot
from models.holdout import split
from models.ratings import Ratings


@dataclass(frozen=True)
class TrainingData:
    """All latest ratings by code, and the masks that say what each is for; all (n_ratings,)."""

    ratings: Ratings  # every user, every rated item
    in_core: Tensor
    golden: Tensor  # in the core, never trained on
    holdout: Tensor  # in the core, not golden: judged on by the first fit, trained on by the final one

    def core(self, mask: Tensor, snapshot: Snapshot) -> Ratings:
        """The ratings at a mask that lies in the core, as a world of core users and core items alone."""
        chosen = self.ratings.select(mask)
        return Ratings(chosen.user_code, chosen.item_code, chosen.rating, snapshot.n_core_users, snapshot.n_core_items)


def training_data(snapshot: Snapshot, seed: int, holdout_share: float) -> TrainingData:
    """The snapshot as tensors; the holdout is the newest share of each core user's ratings."""
    frame = snapshot.ratings()
    in_core, golden = _tensor(frame, "in_core"), _tensor(frame, "golden")
    judgeable = in_core & ~golden
    rated_at = None if frame["rated_at"].null_count() else frame["rated_at"].cast(pl.Int64).to_torch()
    holdout = torch.zeros_like(judgeable)
    ratings = _ratings(frame, snapshot)
    holdout[judgeable] = split(
        ratings.user_code[judgeable], None if rated_at is None else rated_at[judgeable], seed, holdout_share
    )
    return TrainingData(ratings, in_core, golden, holdout)


def all_ratings(snapshot: Snapshot) -> Ratings:
    """The latest rating of every user and item, by code."""
    return _ratings(snapshot.ratings(), snapshot)


def _ratings(frame: pl.DataFrame, snapshot: Snapshot) -> Ratings:
    user_code, item_code = _tensor(frame, "user_code").long(), _tensor(frame, "item_code").long()
    return Ratings(user_code, item_code, _tensor(frame, "rating"), snapshot.n_users, snapshot.n_items)


def _tensor(frame: pl.DataFrame, column: str) -> Tensor:
    return frame[column].to_torch()
