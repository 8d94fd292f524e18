"""Solving users and items from their ratings with the other side fixed."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.config import FitConfig, FoldInConfig
from models.fit import fit
from models.fold_in import fold_in, fold_in_items, fold_in_users, groups_of_similar_length
from models.metrics import rmse
from models.parameters import Parameters, Side
from models.ratings import Ratings, RowLists, group_rows

Y_RANGE = (0.5, 5.5)
CONFIG = FoldInConfig(shrinkage=1.0, steps=30)


def random_rows(lengths: list[int], n_codes: int, draw: torch.Generator) -> RowLists:
    row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    code = torch.cat([torch.randperm(n_codes, generator=draw)[:length] for length in lengths])
    return group_rows(row, code, torch.randint(1, 6, code.shape, generator=draw).float(), len(lengths))


def random_side(n: int, n_factors: int, draw: torch.Generator) -> Side:
    return Side(torch.randn(n, n_factors, generator=draw), 0.3 * torch.randn(n, generator=draw))


def brute_force(rows: RowLists, row: int, fixed: Side, start: Side, shrinkage: float) -> Tensor:
    """theta = [factors, bias] of one row by a general optimiser in double precision."""
    entries = slice(int(rows.offsets[row]), int(rows.offsets[row + 1]))
    assert rows.rating is not None
    code, rating = rows.code[entries], rows.rating[entries].double()
    theta_0 = torch.cat([start.factors[0], start.bias]).double()
    theta = theta_0.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([theta], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        score = fixed.factors[code].double() @ theta[:-1] + theta[-1] + fixed.bias[code].double()
        predicted = Y_RANGE[0] + (Y_RANGE[1] - Y_RANGE[0]) * torch.sigmoid(score)
        value = (rating - predicted).square().sum() + shrinkage * (theta - theta_0).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return theta.detach().float()


@pytest.mark.parametrize("shrinkage", [0.3, 3.0])
def test_the_minimum_is_that_of_a_general_optimiser(shrinkage: float) -> None:
    draw = torch.Generator().manual_seed(3)
    fixed, start = random_side(40, 4, draw), random_side(1, 4, draw)
    rows = random_rows([0, 1, 2, 30, 17, 5, 40], 40, draw)
    found = fold_in(rows, fixed, start, Y_RANGE, replace(CONFIG, shrinkage=shrinkage))
    for row in range(rows.n_rows):
        expected = brute_force(rows, row, fixed, start, shrinkage)
        torch.testing.assert_close(
            torch.cat([found.factors[row], found.bias[row : row + 1]]), expected, atol=2e-3, rtol=2e-3
        )


def test_one_rating_worked_by_hand() -> None:
    """No factors, start 0, a rating of 3, the middle, leaves bias 0; a 5 lifts it, shrinkage holds back."""
    nobody = Side(torch.zeros(1, 0), torch.zeros(1))
    rows = group_rows(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([3.0, 5.0]), 2)
    loose = fold_in(rows, nobody, nobody, Y_RANGE, replace(CONFIG, shrinkage=1e-4)).bias
    tight = fold_in(rows, nobody, nobody, Y_RANGE, replace(CONFIG, shrinkage=10.0)).bias
    assert loose[0] == tight[0] == 0
    assert (0.5 + 5 * torch.sigmoid(loose[1])).item() == pytest.approx(5.0, abs=1e-3)
    assert 0 < tight[1] < loose[1]


def test_a_step_that_overshoots_is_halved() -> None:
    """The start is far out on the sigmoid's flat end, where a full Gauss-Newton step jumps to the other flat end."""
    nobody, start = Side(torch.zeros(1, 0), torch.zeros(1)), Side(torch.zeros(1, 0), torch.tensor([5.0]))
    rows = group_rows(torch.tensor([0]), torch.tensor([0]), torch.tensor([2.0]), 1)
    found = fold_in(rows, nobody, start, Y_RANGE, replace(CONFIG, shrinkage=1e-3)).bias
    torch.testing.assert_close(found, brute_force(rows, 0, nobody, start, 1e-3), atol=1e-3, rtol=1e-3)


def test_without_ratings_a_row_is_exactly_the_average() -> None:
    draw = torch.Generator().manual_seed(3)
    fixed, start = random_side(5, 3, draw), random_side(1, 3, draw)
    found = fold_in(random_rows([0, 3, 0], 5, draw), fixed, start, Y_RANGE, CONFIG)
    for row in (0, 2):
        assert torch.equal(found.factors[row], start.factors[0])
        assert found.bias[row] == start.bias[0]
    nothing = fold_in(random_rows([0], 5, draw), fixed, start, Y_RANGE, CONFIG)
    assert torch.equal(nothing.factors, start.factors)


def test_more_ratings_bring_a_user_nearer_to_the_data() -> None:
    draw = torch.Generator().manual_seed(5)
    fixed, start = random_side(64, 2, draw), Side(torch.zeros(1, 2), torch.zeros(1))
    truth = torch.tensor([1.0, -1.0])
    rating = 0.5 + 5 * torch.sigmoid(fixed.factors @ truth + fixed.bias)
    distances = []
    for n in (0, 2, 8, 64):
        rows = group_rows(torch.zeros(n, dtype=torch.int64), torch.arange(n), rating[:n], 1)
        distances.append((fold_in(rows, fixed, start, Y_RANGE, CONFIG).factors[0] - truth).norm().item())
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.1


def test_block_size_does_not_matter() -> None:
    draw = torch.Generator().manual_seed(3)
    fixed, start = random_side(40, 4, draw), random_side(1, 4, draw)
    rows = random_rows([3, 40, 1, 7, 6, 5, 0, 33], 40, draw)
    config = replace(CONFIG, steps=1)  # many steps would reach the minimum from anywhere
    whole = fold_in(rows, fixed, start, Y_RANGE, config)
    bit_by_bit = fold_in(rows, fixed, start, Y_RANGE, replace(config, block_values=1))
    torch.testing.assert_close(whole.factors, bit_by_bit.factors, atol=1e-4, rtol=1e-4)


def test_groups_hold_every_row_once_within_the_block() -> None:
    lengths = torch.tensor([5, 0, 100, 4, 90, 71, 69, 5, 1])
    groups = list(groups_of_similar_length(lengths, 2, 400))
    assert [sorted(group.tolist()) for group in groups] == [[2, 4], [5, 6], [0, 3, 7], [8]]


def test_same_bits_with_one_thread_or_two() -> None:
    draw = torch.Generator().manual_seed(3)
    fixed, start = random_side(300, 20, draw), random_side(1, 20, draw)
    rows = random_rows([200, 150, 150, 90, 12, 3] * 20, 300, draw)
    threads, found = torch.get_num_threads(), []
    try:
        for n in (1, 2, 2):
            torch.set_num_threads(n)
            found.append(fold_in(rows, fixed, start, Y_RANGE, CONFIG))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0].factors, found[1].factors)
    assert torch.equal(found[1].factors, found[2].factors)


@pytest.fixture(scope="module")
def learnt() -> tuple[Parameters, Ratings]:
    """A planted world without noise, learnt from the first 90 of 100 users and 90 of 100 items."""
    draw = torch.Generator().manual_seed(11)
    user, item = torch.randn(100, 2, generator=draw), torch.randn(100, 2, generator=draw)
    pairs = torch.cartesian_prod(torch.arange(100), torch.arange(100))
    rating = (0.5 + 5 * torch.sigmoid(user @ item.T)).clamp(0.6, 5.4).flatten()
    world = Ratings(pairs[:, 0], pairs[:, 1], rating, 100, 100)
    core = world.select((pairs < 90).all(1))
    config = FitConfig(y_range=Y_RANGE, n_factors=4, epochs=30, learning_rate=0.02, weight_decay=0.0, device="cpu")
    return fit(Ratings(core.user_code, core.item_code, core.rating, 90, 90), config).parameters, world


def test_new_users_and_items_of_a_planted_world_are_predicted(learnt: tuple[Parameters, Ratings]) -> None:
    parameters, world = learnt
    config = FoldInConfig(shrinkage=0.01)
    user, item = world.user_code, world.item_code
    half = (user + item) % 2 == 0
    known_users = world.select((user >= 90) & (item < 90) & half)
    users = fold_in_users(
        parameters, group_rows(known_users.user_code - 90, known_users.item_code, known_users.rating, 10), config
    )
    known_items = world.select((item >= 90) & (user < 90) & half)
    items = fold_in_items(
        parameters, group_rows(known_items.item_code - 90, known_items.user_code, known_items.rating, 10), config
    )
    whole = parameters.with_users(parameters.users.extended(users)).with_items(parameters.items.extended(items))
    asked = world.select(((user >= 90) ^ (item >= 90)) & ~half)
    assert asked.rating.std() > 1
    assert rmse(whole.predict(asked.user_code, asked.item_code), asked.rating) < 0.3
