"""Figures of models on held-out ratings, as the rows of the metrics table: model, split, metric, value."""

from collections.abc import Callable
from typing import Any

import torch

from data.snapshot import Snapshot
from models.baselines import damped_biases, popularity
from models.config import BaselineConfig
from models.metrics import mae, ndcg_at_k, recall_at_k, rmse
from models.parameters import Parameters
from models.ratings import Ratings, RowLists, group_rows
from models.scoring import top_n_by
from tasks.tensors import TrainingData

_LIST_LENGTH = 10  # NDCG@10 and Recall@10
_USERS_FOR_LISTS = 5000  # enough for three digits; more would only cost time
_RELEVANT = 0.75  # of the scale: 4 of 1..5
Metric = dict[str, Any]


def holdout_metrics(parameters: Parameters, data: TrainingData, snapshot: Snapshot) -> list[Metric]:
    """Challenger and baselines on the holdout: errors, and the lists they would have made."""
    seen = data.core(data.in_core & ~data.golden & ~data.holdout, snapshot)
    held = data.core(data.holdout, snapshot)
    biases = damped_biases(seen, BaselineConfig())
    mean = torch.full_like(held.rating, biases.global_mean)
    found = errors("challenger", "holdout", parameters.predict(held.user_code, held.item_code), held)
    found += errors("damped_bias", "holdout", biases.predict(held.user_code, held.item_code), held)
    found += errors("global_mean", "holdout", mean, held)
    liked = held.select(held.rating >= relevant_from(snapshot)).by_user()
    counts = popularity(seen).float()
    found += _lists("challenger", parameters.scores, seen.by_user(), liked)
    found += _lists("popularity", lambda users: counts.repeat(len(users), 1), seen.by_user(), liked)
    return found


def golden_metrics(parameters: Parameters, data: TrainingData, snapshot: Snapshot) -> list[Metric]:
    """The published parameters on the golden set, which they were not trained on."""
    golden = data.core(data.golden, snapshot)
    return errors("challenger", "golden", parameters.predict(golden.user_code, golden.item_code), golden)


def errors(model: str, split: str, predicted: torch.Tensor, held: Ratings) -> list[Metric]:
    """RMSE, MAE and the number of ratings, as rows of the metrics table; over nothing there is no figure."""
    if not len(held):
        return []
    figures = {"rmse": rmse(predicted, held.rating), "mae": mae(predicted, held.rating), "n_ratings": float(len(held))}
    return [{"model": model, "split": split, "metric": name, "value": value} for name, value in figures.items()]


def _lists(
    model: str, scores_of: Callable[[torch.Tensor], torch.Tensor], seen: RowLists, liked: RowLists
) -> list[Metric]:
    users = torch.nonzero(liked.lengths).squeeze(1)
    users = users[:: max(1, len(users) // _USERS_FOR_LISTS)]
    if not len(users):
        return []
    top = torch.cat([block.item_code for block in top_n_by(scores_of, users, seen, _LIST_LENGTH)])
    position, entry = liked.entries_of(users)
    wanted = group_rows(position, liked.code[entry], None, len(users))
    figures = {"ndcg@10": ndcg_at_k(top, wanted, _LIST_LENGTH), "recall@10": recall_at_k(top, wanted, _LIST_LENGTH)}
    return [{"model": model, "split": "holdout", "metric": name, "value": value} for name, value in figures.items()]


def relevant_from(snapshot: Snapshot) -> float:
    """The rating from which an item counts as liked."""
    scale = snapshot.facts["scale"]
    return float(scale["min"] + _RELEVANT * (scale["max"] - scale["min"]))


def figure(metrics: list[Metric], model: str, split: str, name: str) -> float | None:
    """One figure of a list of metric rows, None where it is missing."""
    wanted = (model, split, name)
    return next((float(row["value"]) for row in metrics if (row["model"], row["split"], row["metric"]) == wanted), None)
