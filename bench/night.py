"""Seconds of a whole night on the embedded data, by stage: the median of some runs, each in a new home.

python -m bench.night [RUNS]
"""

import statistics
import sys
import tempfile
from pathlib import Path

from bench.common import CHECKOUT, overnight, peak_memory_mb, stages


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    whole, by_stage = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            whole.append(overnight("run", "--config", CHECKOUT / "overnight.toml", "--home", home))
            by_stage.append(stages(home))
    for name in by_stage[0]:
        print(f"{name:<15} {statistics.median(one[name] for one in by_stage):6.2f} s")
    print(
        f"{'whole command':<15} {statistics.median(whole):6.2f} s  ({min(whole):.2f} to {max(whole):.2f}, {runs} runs)"
    )
    print(f"{'peak memory':<15} {peak_memory_mb():6.0f} MB")
    print(f"{'status':<15} {seconds_of_status():6.2f} s")


def seconds_of_status() -> float:
    """The median of nine calls of `overnight status` on an empty home."""
    with tempfile.TemporaryDirectory() as home:
        return statistics.median(overnight("status", "--home", home) for _ in range(9))


if __name__ == "__main__":
    main()
