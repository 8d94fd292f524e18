"""Step: is tonight's model good enough to be published? The evidence is gathered here, models.judge decides."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import polars as pl
import torch

from data.atomic import read_json
from data.errors import GateRefused, MachineError
from data.model_folder import verified
from data.published import PublishedRun, champion_of
from data.snapshot import Snapshot, open_snapshot
from models.judge import AgainstChampion, Evidence, judge
from models.parameters import Parameters
from tasks import artifacts
from tasks.metrics import Metric, errors, figure
from tasks.night import Night
from tasks.step import StepResult, step
from tasks.tensors import training_data
from tasks.train_model import check_trained_with


@step
def judge_model(night: Night, core: dict[str, Any], model: dict[str, Any]) -> StepResult:
    """Bless or refuse the challenger; the decision with its reasons and every figure stand in the attempt.

    Raises GateRefused when it is not blessed.
    """
    folder = Path(model["model"])
    verified(folder, model["model_hash"])
    check_trained_with(folder, night.settings)
    metrics: list[Metric] = read_json(folder / "metrics.json")["metrics"]
    champion = champion_of(night.home, core["snapshot"])
    against = None
    if champion is not None:
        newer = _since_champion(night, open_snapshot(Path(core["folder"]), core["snapshot"]), folder, champion)
        metrics += newer
        against = AgainstChampion(
            n_new_ratings=_count(newer, "since_champion"),
            challenger_new_rmse=figure(newer, "challenger", "since_champion", "rmse"),
            champion_new_rmse=figure(newer, "champion", "since_champion", "rmse"),
            champion_holdout_rmse=figure(champion.manifest["metrics"], "challenger", "holdout", "rmse"),
        )
    evidence = Evidence(
        challenger_rmse=figure(metrics, "challenger", "holdout", "rmse"),
        baseline_rmse=figure(metrics, "damped_bias", "holdout", "rmse"),
        n_holdout=_count(metrics, "holdout"),
        champion=against,
    )
    decision = judge(evidence, night.settings.gate.gate_config())
    artifacts.table("metrics", metrics, "Challenger, champion and baselines")
    recorded = {**dataclasses.asdict(decision), "champion": champion.run_id if champion else None}
    night.attempt.decision, night.attempt.metrics = recorded, metrics
    if not decision.blessed:
        raise GateRefused(
            f"the gate refused tonight's model: {' '.join(decision.reasons)} What is published stands. "
            "See the attempt's run.json and look at what came in; "
            "gate.tolerance loosens the comparison with the champion alone."
        )
    return StepResult(" ".join(decision.reasons), {"champion": recorded["champion"]})


def _count(metrics: list[Metric], split: str) -> int:
    n_ratings = figure(metrics, "challenger", split, "n_ratings")
    return int(n_ratings) if n_ratings is not None and math.isfinite(n_ratings) else 0


def _since_champion(night: Night, snapshot: Snapshot, folder: Path, champion: PublishedRun) -> list[Metric]:
    """Champion and challenger on what neither has seen: tonight's holdout less the pairs of the champion's snapshot.

    The champion meets users and items it does not know with its average embedding. No rows when it cannot be read.
    """
    facts = champion.manifest["snapshot"]
    try:
        old = open_snapshot(night.home.snapshots / facts["hash"], facts["hash"])
        verified(night.home.model(champion.run_id))
    except MachineError:
        return []  # retired: the stored holdout figures are compared instead
    data = training_data(snapshot, night.settings.train.seed, night.settings.train.holdout_share)
    users, items = _old_codes(snapshot.users(), old.users(), "user"), _old_codes(snapshot.items(), old.items(), "item")
    held = data.core(data.holdout, snapshot)
    held = held.select(~_known_pairs(old, users[held.user_code], items[held.item_code]))
    if not len(held):
        return []
    theirs = Parameters.load(night.home.model(champion.run_id) / "parameters.safetensors").with_average()
    user_code = _or_average(users[held.user_code], theirs.n_users)
    item_code = _or_average(items[held.item_code], theirs.n_items)
    ours = Parameters.load(folder / "holdout.safetensors").predict(held.user_code, held.item_code)
    return errors("challenger", "since_champion", ours, held) + errors(
        "champion", "since_champion", theirs.predict(user_code, item_code), held
    )


def _old_codes(now: pl.DataFrame, old: pl.DataFrame, side: str) -> torch.Tensor:
    """For each code of now its code in the old snapshot, -1 where it had no rating there."""
    known = old.filter(pl.col("n_ratings") > 0).select(f"{side}_id", pl.col(f"{side}_code").alias("old"))
    joined = now.join(known, on=f"{side}_id", how="left", maintain_order="left")
    return joined["old"].fill_null(-1).cast(pl.Int64).to_torch()


def _known_pairs(old: Snapshot, user_code: torch.Tensor, item_code: torch.Tensor) -> torch.Tensor:
    """Which pairs (in old codes, -1 unknown) the old snapshot had a rating of."""
    frame = old.ratings()
    width = old.n_items + 1
    keys = frame["user_code"].to_torch().long() * width + frame["item_code"].to_torch().long()
    both = (user_code >= 0) & (item_code >= 0)
    return both & torch.isin(user_code * width + item_code, keys)


def _or_average(code: torch.Tensor, n: int) -> torch.Tensor:
    """Unknown codes point to the average row, the last of `with_average`."""
    return torch.where(code < 0, n - 1, code)
