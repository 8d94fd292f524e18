"""Step: a snapshot becomes a model folder, here or on a GPU worker.

Needs torch and polars but neither duckdb nor great_expectations, so that a training machine stays small.
"""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from data.atomic import new_folder, write_json
from data.errors import UsageError
from data.model_folder import seal
from data.settings import Settings
from data.snapshot import Snapshot, open_snapshot
from models.baselines import damped_biases, popularity
from models.config import BaselineConfig, FoldInConfig
from models.fit import FitProgress, Fitted, fit
from models.fold_in import fold_in_items, fold_in_users
from models.metrics import mae, ndcg_at_k, recall_at_k, rmse
from models.parameters import Parameters
from models.ratings import Ratings, RowLists, group_rows
from models.scoring import top_n_by
from tasks import artifacts
from tasks.night import Night
from tasks.step import StepResult, step
from tasks.tensors import TrainingData, training_data

_LIST_LENGTH = 10  # NDCG@10 and Recall@10
_USERS_FOR_LISTS = 5000  # enough for three digits; more would only cost time
_RELEVANT = 0.75  # of the scale: 4 of 1..5
Progress = Callable[[int, int, str], None]
Metric = dict[str, Any]


@step
def train_model(night: Night, core: dict[str, Any]) -> StepResult:
    """Train on the snapshot in this process; the values name the model's folder and its hash."""

    def progress(done: int, total: int, detail: str) -> None:
        night.listener.progress("train_model", done, total, detail)

    facts = train_snapshot(
        Path(core["folder"]), core["snapshot"], night.settings, night.home.model(night.run_id), progress
    )
    return trained(facts)


def trained(facts: dict[str, Any]) -> StepResult:
    """What a finished training says, wherever it ran."""
    artifacts.table("training", facts["curves"], "The training curves")
    wanted = ("challenger", "holdout", "rmse")
    figures = [row["value"] for row in facts["metrics"] if (row["model"], row["split"], row["metric"]) == wanted]
    judged = f"holdout RMSE {figures[0]:.4f}" if figures else "no user has ratings enough for a holdout"
    return StepResult(
        f"{judged}, {facts['seconds']:.1f} s on {facts['device']}",
        {"model": facts["folder"], "model_hash": facts["hash"]},
    )


def train_snapshot(
    snapshot_folder: Path, snapshot_hash: str, settings: Settings, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Two fits on a verified snapshot, as a model folder: one without the holdout to be judged, one to publish.

    Returns the facts of the sealed folder.
    """
    started = time.monotonic()
    snapshot = open_snapshot(snapshot_folder, snapshot_hash)
    config = settings.train.fit_config(settings.source.scale)
    data = training_data(snapshot, config.seed, settings.train.holdout_share)
    known = data.in_core & ~data.golden
    judged = fit(data.core(known & ~data.holdout, snapshot), config, _told(progress, 0))
    final = fit(data.core(known, snapshot), config, _told(progress, 1))
    complete = with_everybody(final.parameters, data, snapshot)
    metrics = _holdout_metrics(judged.parameters, data, snapshot) + _golden_metrics(final.parameters, data, snapshot)
    curves = _curve("holdout", judged) + _curve("final", final)
    shutil.rmtree(folder, ignore_errors=True)  # an earlier try of this very run
    with new_folder(folder) as unfinished:
        judged.parameters.save(unfinished / "holdout.safetensors")
        complete.save(unfinished / "parameters.safetensors")
        write_json(unfinished / "config.json", trained_with(settings))
        write_json(unfinished / "metrics.json", {"metrics": metrics, "curves": curves})
        digest = seal(unfinished, snapshot_hash)
    return {
        "folder": str(folder),
        "hash": digest,
        "metrics": metrics,
        "curves": curves,
        "device": "cuda" if torch.cuda.is_available() and config.device != "cpu" else "cpu",
        "seconds": time.monotonic() - started,
    }


def trained_with(settings: Settings) -> dict[str, Any]:
    """What a model was trained with: the settings that decide its parameters, and the fit's own configuration."""
    fit_config = dataclasses.asdict(settings.train.fit_config(settings.source.scale))
    decides = {key: value for key, value in fit_config.items() if key != "device"}
    shares = {"holdout_share": settings.train.holdout_share, "golden_share": settings.train.golden_share}
    return {**json.loads(json.dumps(decides)), **shares, "density": settings.density.model_dump(mode="json")}


def with_everybody(core: Parameters, data: TrainingData, snapshot: Snapshot) -> Parameters:
    """The core's parameters with everybody else folded in: items from core users, then users from all items."""
    ratings, config = data.ratings, FoldInConfig()
    user_outside, item_outside = ratings.user_code >= snapshot.n_core_users, ratings.item_code >= snapshot.n_core_items
    by_core_users = ratings.select(item_outside & ~user_outside)
    items = fold_in_items(
        core,
        group_rows(
            by_core_users.item_code - snapshot.n_core_items,
            by_core_users.user_code,
            by_core_users.rating,
            snapshot.n_items - snapshot.n_core_items,
        ),
        config,
    )
    whole = core.with_items(core.items.extended(items))
    by_others = ratings.select(user_outside)
    users = fold_in_users(
        whole,
        group_rows(
            by_others.user_code - snapshot.n_core_users,
            by_others.item_code,
            by_others.rating,
            snapshot.n_users - snapshot.n_core_users,
        ),
        config,
    )
    return whole.with_users(core.users.extended(users))


def relevant_from(snapshot: Snapshot) -> float:
    """The rating from which an item counts as liked."""
    scale = snapshot.facts["scale"]
    return float(scale["min"] + _RELEVANT * (scale["max"] - scale["min"]))


def _told(progress: Progress, number: int) -> Callable[[FitProgress], None]:
    def on_progress(now: FitProgress) -> None:
        which = ("holdout fit", "final fit")[number]
        rate = f"{now.ratings_per_second:,.0f} ratings/s"
        detail = f"{which}, epoch {now.epoch}/{now.epochs}, loss {now.loss:.4f}, {rate}"
        progress(number * now.total + now.done, 2 * now.total, detail)

    return on_progress


def _curve(name: str, fitted: Fitted) -> list[dict[str, Any]]:
    return [{"fit": name, **dataclasses.asdict(epoch)} for epoch in fitted.history]


def _holdout_metrics(parameters: Parameters, data: TrainingData, snapshot: Snapshot) -> list[Metric]:
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


def _golden_metrics(parameters: Parameters, data: TrainingData, snapshot: Snapshot) -> list[Metric]:
    golden = data.core(data.golden, snapshot)
    return (
        errors("challenger", "golden", parameters.predict(golden.user_code, golden.item_code), golden)
        if len(golden)
        else []
    )


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


def check_trained_with(folder: Path, settings: Settings) -> None:
    """Raise UsageError unless a model was trained with the settings it is about to be published under."""
    then, now = json.loads((folder / "config.json").read_text("utf-8")), trained_with(settings)
    if different := [f"{key} {then.get(key)} then, {now[key]} now" for key in now if then.get(key) != now[key]]:
        raise UsageError(
            f"model {folder.name} was trained with other settings: {'; '.join(different)}. Nothing was published. "
            "Give the same settings, or train again."
        )


def read_metrics(folder: Path) -> dict[str, Any]:
    """The metrics and curves of a model folder."""
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text("utf-8"))
    return found
