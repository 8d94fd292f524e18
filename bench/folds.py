"""RMSE on the five published folds of ML-100K, through the command: `overnight run`, then `overnight predict`.

python -m bench.folds [KEY=VALUE ...]
"""

import sys
import tempfile
from pathlib import Path

import polars as pl

from bench.common import data_set, overnight

TOML = """
[source]
ratings = ["{base}"]
delimiter = "\\t"
header = false
columns = {{ user = 1, item = 2, rating = 3, timestamp = 4 }}
scale = {{ min = 1, max = 5, step = 1 }}
"""


def fold(number: int, folder: Path, overrides: list[str]) -> float:
    """The RMSE of what was published from uN.base on the pairs of uN.test."""
    data = data_set("ml-100k")
    config, home = folder / f"u{number}.toml", folder / f"home{number}"
    config.write_text(TOML.format(base=data / f"u{number}.base"), "utf-8")
    overnight("run", "--config", config, "--home", home, *(word for one in overrides for word in ("--set", one)))
    names = ["user_id", "item_id", "rating", "timestamp"]
    test = pl.read_csv(data / f"u{number}.test", separator="\t", has_header=False, new_columns=names)
    test.select("user_id", "item_id", "rating").write_csv(folder / f"u{number}.csv")
    overnight("predict", folder / f"u{number}.csv", "--out", folder / f"p{number}.parquet", "--home", home)
    predicted = pl.read_parquet(folder / f"p{number}.parquet")
    error = predicted["rating"].cast(pl.Float64) - predicted["predicted_rating"].cast(pl.Float64)
    return float((error**2).mean()) ** 0.5  # type: ignore[arg-type]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        figures = [fold(number, Path(folder), sys.argv[1:]) for number in range(1, 6)]
    for number, figure in enumerate(figures, 1):
        print(f"u{number}    {figure:.4f}")
    print(f"mean  {sum(figures) / len(figures):.4f}")


if __name__ == "__main__":
    main()
