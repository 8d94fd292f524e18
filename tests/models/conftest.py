"""Real ratings for tests, where they are at hand; small worlds whose answer is known."""

import os
from pathlib import Path

import pytest
import torch

from models.ratings import Ratings

_ROOT = Path(__file__).resolve().parents[2]


def _ml_100k_folder() -> Path | None:
    named = os.environ.get("OVERNIGHT_TEST_DATA")
    candidates = ([Path(named)] if named else []) + [_ROOT.parent / "shared" / "data"]
    return next((folder / "ml-100k" for folder in candidates if (folder / "ml-100k" / "u1.base").is_file()), None)


@pytest.fixture
def ml_100k_u1() -> tuple[Ratings, Ratings]:
    """The first published fold of ML-100K, base and test; the data may not be part of this project."""
    folder = _ml_100k_folder()
    if folder is None:
        pytest.skip("ML-100K is not at hand: put it beside the checkout or name its parent in OVERNIGHT_TEST_DATA")
    return _read(folder / "u1.base"), _read(folder / "u1.test")


def _read(file: Path) -> Ratings:
    rows = torch.tensor([[int(field) for field in line.split("\t")] for line in file.read_text().splitlines()])
    return Ratings(rows[:, 0] - 1, rows[:, 1] - 1, rows[:, 2].float(), n_users=943, n_items=1682)


@pytest.fixture
def world() -> tuple[Ratings, Ratings]:
    """Ratings 1..5 planted by two factors and biases, with little noise: 4/5 to learn from and 1/5 to ask for."""
    draw = torch.Generator().manual_seed(7)
    n_users, n_items = 120, 80
    user, item = torch.randn(n_users, 2, generator=draw), torch.randn(n_items, 2, generator=draw)
    score = user @ item.T + 0.5 * torch.randn(n_items, generator=draw)
    rating = 0.5 + 5 * torch.sigmoid(score) + 0.1 * torch.randn(n_users, n_items, generator=draw)
    pairs = torch.cartesian_prod(torch.arange(n_users), torch.arange(n_items))
    whole = Ratings(pairs[:, 0], pairs[:, 1], rating.clamp(1, 5).flatten(), n_users, n_items)
    asked = torch.rand(len(whole), generator=draw) < 0.2
    return whole.select(~asked), whole.select(asked)
