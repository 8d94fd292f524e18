"""What the benchmarks share: the data sets, the command as a process, and its own record of seconds."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]


def data_set(name: str) -> Path:
    """The folder of a data set: under OVERNIGHT_TEST_DATA, or ../shared/data beside the checkout."""
    roots = [Path(os.environ["OVERNIGHT_TEST_DATA"])] if "OVERNIGHT_TEST_DATA" in os.environ else []
    for root in [*roots, CHECKOUT.parent / "shared" / "data"]:
        if (root / name).is_dir():
            return root / name
    sys.exit(f"{name} is not here: set OVERNIGHT_TEST_DATA to the folder that holds it, see `overnight fetch`")


def overnight(*arguments: str | Path) -> float:
    """Run the command as a user would; returns its seconds. Ends the benchmark when it fails."""
    started = time.perf_counter()
    command = [sys.executable, "-c", "from flows.command import main; main()", *map(str, arguments)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - started


def peak_memory_mb() -> float:
    """The largest process that was started so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def stages(home: Path) -> dict[str, float]:
    """The seconds of each stage of the last attempt."""
    record: dict[str, Any] = json.loads(sorted((home / "runs").glob("*/run.json"))[-1].read_text("utf-8"))
    return {stage["name"]: stage["seconds"] for stage in record["stages"]}
