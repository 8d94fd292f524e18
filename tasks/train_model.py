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

from data.atomic import new_folder, read_json, write_json
from data.errors import UsageError
from data.model_folder import seal
from data.settings import Settings
from data.snapshot import Snapshot, open_snapshot
from models.config import FoldInConfig
from models.fit import FitProgress, Fitted, fit
from models.fold_in import fold_in_items, fold_in_users
from models.parameters import Parameters
from tasks import artifacts
from tasks.metrics import figure, golden_metrics, holdout_metrics
from tasks.night import Night
from tasks.step import StepResult, step
from tasks.tensors import TrainingData, training_data

Progress = Callable[[int, int, str], None]


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
    holdout = figure(facts["metrics"], "challenger", "holdout", "rmse")
    judged = "no user has ratings enough for a holdout" if holdout is None else f"holdout RMSE {holdout:.4f}"
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
    metrics = holdout_metrics(judged.parameters, data, snapshot) + golden_metrics(final.parameters, data, snapshot)
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
    new_items = dataclasses.replace(
        by_core_users,
        item_code=by_core_users.item_code - snapshot.n_core_items,
        n_items=snapshot.n_items - snapshot.n_core_items,
    )
    whole = core.with_items(core.items.extended(fold_in_items(core, new_items.by_item(), config)))
    by_others = ratings.select(user_outside)
    new_users = dataclasses.replace(
        by_others,
        user_code=by_others.user_code - snapshot.n_core_users,
        n_users=snapshot.n_users - snapshot.n_core_users,
    )
    users = fold_in_users(whole, new_users.by_user(), config)
    return whole.with_users(core.users.extended(users))


def _told(progress: Progress, number: int) -> Callable[[FitProgress], None]:
    def on_progress(now: FitProgress) -> None:
        which = ("holdout fit", "final fit")[number]
        rate = f"{now.ratings_per_second:,.0f} ratings/s"
        detail = f"{which}, epoch {now.epoch}/{now.epochs}, loss {now.loss:.4f}, {rate}"
        progress(number * now.total + now.done, 2 * now.total, detail)

    return on_progress


def _curve(name: str, fitted: Fitted) -> list[dict[str, Any]]:
    return [{"fit": name, **dataclasses.asdict(epoch)} for epoch in fitted.history]


def check_trained_with(folder: Path, settings: Settings) -> None:
    """Raise UsageError unless a model was trained with the settings it is about to be published under."""
    then, now = read_json(folder / "config.json"), trained_with(settings)
    if different := [f"{key} {then.get(key)} then, {now[key]} now" for key in now if then.get(key) != now[key]]:
        raise UsageError(
            f"model {folder.name} was trained with other settings: {'; '.join(different)}. Nothing was published. "
            "Give the same settings, or train again."
        )
