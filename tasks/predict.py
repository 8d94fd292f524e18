"""Predicted ratings for a file of pairs, from the published tables alone."""

import os
from pathlib import Path
from typing import Any

import polars as pl
import torch

from data.errors import UsageError, first_line
from data.home import resolve_home
from data.published import PublishedRun, require_current
from models.parameters import Parameters


def predict(home_folder: Path | None, pairs: Path, out: Path) -> dict[str, Any]:
    """Write the rows of `pairs` in their order with `predicted_rating`, clipped to the scale and never null.

    An unknown user or item counts as the average one: the mean of the biases and factors.
    """
    run = require_current(resolve_home(home_folder))
    frame = _read(pairs)
    if missing := [name for name in ("user_id", "item_id") if name not in frame.columns]:
        raise UsageError(
            f"{pairs}: no column {' and '.join(missing)}; its columns are {frame.columns}. Nothing was written."
        )
    users, items = _side(run, "user"), _side(run, "item")
    scale = run.manifest["snapshot"]["scale"]
    user_code, item_code = _codes(frame["user_id"], users, "user"), _codes(frame["item_id"], items, "item")
    parameters = _parameters(run, users, items)
    rating = (
        parameters.predict(user_code, item_code).clamp(scale["min"], scale["max"]) if frame.height else torch.zeros(0)
    )
    _write(frame.with_columns(pl.Series("predicted_rating", rating.numpy())), out)
    return {
        "run": run.run_id,
        "rows": frame.height,
        "out": str(out),
        "unknown_users": int((user_code == users.height).sum()),
        "unknown_items": int((item_code == items.height).sum()),
    }


def _read(path: Path) -> pl.DataFrame:
    """The pairs; the fields of a CSV stay the text that they are."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Nothing was written.")
    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise UsageError(
            f"{path} is empty; its first line must name user_id and item_id. Nothing was written."
        ) from None
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"{path}: cannot be read: {first_line(error)}. Nothing was written.") from None


def _side(run: PublishedRun, side: str) -> pl.DataFrame:
    """id, bias and factors of users or items, in the order of the ids; the row number is the code."""
    biases = pl.read_parquet(run.table(f"{side}_biases"), columns=[f"{side}_id", "bias"])
    factors = pl.read_parquet(run.table(f"{side}_factors"))
    return biases.join(factors, on=f"{side}_id", maintain_order="left").with_row_index("code")


def _codes(ids: pl.Series, table: pl.DataFrame, side: str) -> torch.Tensor:
    """The code of each id, or the code after the last: for null, unknown ids and other spellings (007)."""
    key = f"{side}_id"
    typed = ids.cast(table.schema[key], strict=False)
    wanted = typed.set(typed.cast(pl.String) != ids.cast(pl.String), None).alias(key).to_frame()
    joined = wanted.join(table.select(key, "code"), on=key, how="left", maintain_order="left")
    return joined["code"].fill_null(table.height).cast(pl.Int64).to_torch()


def _parameters(run: PublishedRun, users: pl.DataFrame, items: pl.DataFrame) -> Parameters:
    """The published model, the average user and item after the last."""
    low, high = run.manifest["model"]["y_range"]
    return Parameters(
        users["factors"].to_torch(),
        items["factors"].to_torch(),
        users["bias"].to_torch(),
        items["bias"].to_torch(),
        (low, high),
        global_mean=float("nan"),
    ).with_average()


def _write(frame: pl.DataFrame, out: Path) -> None:
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        (frame.write_parquet if out.suffix == ".parquet" else frame.write_csv)(temporary)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
