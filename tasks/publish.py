"""Step: a blessed model becomes published tables: written hidden, checked, sealed by the manifest, then switched to."""

import importlib.metadata
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.atomic import new_folder
from data.attempt import utc
from data.model_folder import verified
from data.published import open_run, retire_old_runs, switch_current, verify, write_manifest, write_views
from data.snapshot import Snapshot, open_snapshot
from models.parameters import Parameters
from tasks import artifacts
from tasks.night import Night
from tasks.step import StepResult, step
from tasks.write_tables import TableWriter

_VERSIONS_OF = ("prefect", "duckdb", "great-expectations", "polars", "pyarrow", "torch")


@step
def publish(night: Night, core: dict[str, Any], model: dict[str, Any]) -> StepResult:
    """Write, check and switch; the values name the tables with their rows. CURRENT moves only when all is sound."""
    from data.checks import check_tables

    snapshot = open_snapshot(Path(core["folder"]), core["snapshot"])
    verified(Path(model["model"]), model["model_hash"])
    parameters = Parameters.load(Path(model["model"]) / "parameters.safetensors")
    shutil.rmtree(
        night.home.published_run(night.run_id), ignore_errors=True
    )  # an earlier try of this very run, never switched to
    with new_folder(night.home.published_run(night.run_id)) as folder:
        writer = TableWriter(folder, snapshot, parameters, night)
        n_rows = writer.write_all()
        n_checks = check_tables(
            folder,
            snapshot,
            night.settings.source.ids,
            top_n=night.settings.publish.top_n,
            n_factors=parameters.user_factors.shape[1],
            extra=writer.features,
        )
        write_manifest(folder, _facts(night, snapshot, model))
    verify(open_run(night.home, night.run_id))
    switch_current(night.home, night.run_id)
    write_views(night.home)
    retired = retire_old_runs(night.home, night.settings.publish.keep_runs, night.now)
    artifacts.table(
        "published", [{"table": name, "rows": rows} for name, rows in n_rows.items()], f"Published as {night.run_id}"
    )
    return StepResult(
        f"{sum(n_rows.values()):,} rows in {len(n_rows)} tables, {n_checks} checks passed; CURRENT is {night.run_id}",
        {"tables": n_rows, "retired": retired},
    )


def _facts(night: Night, snapshot: Snapshot, model: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of a run beside its files."""
    facts = snapshot.facts
    return {
        "run_id": night.run_id,
        "published_at": utc(datetime.now(UTC)),
        "inputs": facts["inputs"],
        "window": facts["window"],
        "snapshot": {key: facts[key] for key in ("hash", "n_users", "n_items", "n_ratings", "density", "scale", "ids")},
        "model": {
            "hash": model["model_hash"],
            "y_range": night.settings.train.fit_config(night.settings.source.scale).y_range,
        },
        "config": night.settings.as_json(),
        "seed": night.settings.train.seed,
        "gate": night.attempt.decision,
        "metrics": night.attempt.metrics,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _VERSIONS_OF},
        },
    }
