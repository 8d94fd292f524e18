"""What several test files need: a small world, and the data sets that may not be copied into the project."""

import os
from pathlib import Path

import pytest

from tests.worlds import World

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty inbox, a configuration and a home to be."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def ml_100k() -> Path:
    """The folder of MovieLens 100K; its terms forbid a copy in the project."""
    roots = [Path(os.environ["OVERNIGHT_TEST_DATA"])] if "OVERNIGHT_TEST_DATA" in os.environ else []
    for root in [*roots, CHECKOUT.parent / "shared" / "data"]:
        if (root / "ml-100k" / "u.data").is_file():
            return root / "ml-100k"
    pytest.skip("MovieLens 100K is not here: unpack it and set OVERNIGHT_TEST_DATA to the folder that holds ml-100k/")
