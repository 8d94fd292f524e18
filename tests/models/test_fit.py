"""The training loop: what it learns, that it is the same each time, and what it refuses."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.config import FitConfig, y_range_for
from models.errors import DeviceUnavailable, FitDiverged, FitError, NoRatings, UnreachableRatings
from models.execution import deterministic_algorithms
from models.fit import FitProgress, Fitted, _Run, batch_size_for, fit, n_models_for
from models.gradient import loss_and_gradient
from models.metrics import rmse
from models.parameters import Parameters
from models.ratings import Ratings

CONFIG = FitConfig(y_range=(0.5, 5.5), n_factors=8, n_models=2, min_factors_per_model=4, device="cpu")
LEARN_MORE = replace(CONFIG, epochs=30, learning_rate=0.02, weight_decay=0.0)


def tensors(fitted: Fitted) -> list[Tensor]:
    return [tensor for _, tensor in fitted.parameters.named_tensors()]


def same_bits(one: Fitted, other: Fitted) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def predicted_by_autograd(table: Tensor, pairs: Tensor, y_range: tuple[float, float]) -> Tensor:
    left, right = table[pairs[0]], table[pairs[1]]
    score = (left[:, :-1] * right[:, :-1]).sum(1) + left[:, -1] + right[:, -1]
    return y_range[0] + (y_range[1] - y_range[0]) * torch.sigmoid(score)


def test_gradient_by_hand_is_autograds() -> None:
    draw = torch.Generator().manual_seed(0)
    table = torch.randn(9, 4, dtype=torch.float64, generator=draw, requires_grad=True)
    pairs = torch.stack([torch.randint(0, 5, (20,), generator=draw), torch.randint(5, 9, (20,), generator=draw)])
    rating = 1 + 4 * torch.rand(20, dtype=torch.float64, generator=draw)
    expected = (predicted_by_autograd(table, pairs, (0.5, 5.5)) - rating).square().mean()
    expected.backward()  # type: ignore[no-untyped-call]
    loss, gradient = loss_and_gradient(table.detach(), pairs, rating, (0.5, 5.5))
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, table.grad)


def test_embedding_lookup_is_a_one_hot_product_forward_and_backward() -> None:
    table = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    code = torch.tensor([2, 0, 2])
    one_hot = torch.nn.functional.one_hot(code, 3).float()
    assert torch.equal(table[code], one_hot @ table)
    upstream = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
    backward = torch.ops.aten.embedding_dense_backward(upstream, code, 3, -1, False)
    assert torch.equal(backward, one_hot.T @ upstream)
    assert backward.tolist() == [[0.0, 2.0], [0.0, 0.0], [4.0, 4.0]]


def test_one_step_worked_by_hand() -> None:
    """All parameters 0: every score is 0, the prediction the middle 3, slope of the sigmoid 5/4.

    Ratings 4 and 2 of one user: error -1 and +1; loss 1; user's bias moves by (-1 + 1) * 5/4 = 0, the items' by -+ 5/4.
    """
    loss, gradient = loss_and_gradient(
        torch.zeros(3, 2), torch.tensor([[0, 0], [1, 2]]), torch.tensor([4.0, 2.0]), (0.5, 5.5)
    )
    assert loss.item() == 1.0
    assert gradient.tolist() == [[0.0, 0.0], [0.0, -1.25], [0.0, 1.25]]


def test_planted_world_is_recovered(world: tuple[Ratings, Ratings]) -> None:
    known, asked = world
    parameters = fit(known, LEARN_MORE).parameters
    untrained = rmse(torch.full_like(asked.rating, parameters.global_mean), asked.rating)
    found = rmse(parameters.predict(asked.user_code, asked.item_code).clamp(1, 5), asked.rating)
    assert untrained > 1.0
    assert found < 0.25  # the noise alone is 0.1


def test_rows_without_ratings_are_the_average_of_the_rated_ones(world: tuple[Ratings, Ratings]) -> None:
    known = world[0].select((world[0].user_code != 3) & (world[0].item_code != 5))
    parameters = fit(known, CONFIG).parameters
    users, items = parameters.users, parameters.items
    for side, row in ((users, 3), (items, 5)):
        others = side.rows(torch.arange(side.bias.shape[0]) != row).mean()
        assert torch.equal(side.factors[row], others.factors[0])
        assert side.bias[row] == others.bias[0]


def test_checkerboard_diagonal_is_recovered() -> None:
    """Users and items of two kinds, liked when alike; the withheld diagonal must come out as liked."""
    n = 40
    pairs = torch.cartesian_prod(torch.arange(n), torch.arange(n))
    alike = (pairs[:, 0] - pairs[:, 1]) % 2 == 0
    ratings = Ratings(pairs[:, 0], pairs[:, 1], torch.where(alike, 5.0, 1.0), n, n)
    parameters = fit(ratings.select(pairs[:, 0] != pairs[:, 1]), LEARN_MORE).parameters
    diagonal = torch.arange(n)
    assert parameters.predict(diagonal, diagonal).min() > 4.5
    assert parameters.predict(diagonal, (diagonal + 1) % n).max() < 1.5


def test_same_bits_in_two_runs_and_with_one_thread_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table and batches large enough for torch to use its threads, and items that occur many times in a batch."""
    monkeypatch.setattr("models.fit._TABLE_WORTH_THREADS", 0)
    draw, n = torch.Generator().manual_seed(9), 40_000
    user, item = torch.randint(0, 3000, (n,), generator=draw), torch.randint(0, 20, (n,), generator=draw)
    ratings = Ratings(user, item, torch.randint(1, 6, (n,), generator=draw).float(), 3000, 1000)
    config = FitConfig(y_range=(0.5, 5.5), batch_size=4096, epochs=3, device="cpu")
    threads = torch.get_num_threads()
    found = []
    try:
        for n_threads in (1, 2, 2):
            torch.set_num_threads(n_threads)
            found.append(fit(ratings, config))
    finally:
        torch.set_num_threads(threads)
    one, two, again = found
    assert same_bits(one, two)
    assert same_bits(two, again)
    assert [epoch.loss for epoch in one.history] == [epoch.loss for epoch in two.history]


def test_another_seed_gives_other_bits(world: tuple[Ratings, Ratings]) -> None:
    assert not same_bits(fit(world[0], CONFIG), fit(world[0], replace(CONFIG, seed=1)))


def test_global_state_is_untouched(world: tuple[Ratings, Ratings]) -> None:
    random_state, threads = torch.get_rng_state(), torch.get_num_threads()
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(3)
    fit(world[0], CONFIG)
    assert torch.get_num_threads() == 3
    torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_deterministic_setting_is_restored_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), deterministic_algorithms():
        assert torch.are_deterministic_algorithms_enabled() / 0
    assert not torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with deterministic_algorithms():
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("y_range", [(0.0, 0.5), (1.0, 5.0), (1.5, 5.5), (math.nan, 5.5)])
def test_unreachable_ratings_are_refused_before_training(y_range: tuple[float, float]) -> None:
    ratings = Ratings(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([1.0, 5.0]), 1, 2)
    steps: list[FitProgress] = []
    with pytest.raises(UnreachableRatings, match=r"of 2 ratings .*Nothing was trained"):
        fit(ratings, replace(CONFIG, y_range=y_range), steps.append)
    assert steps == []


def test_a_rating_that_is_not_a_number_is_refused() -> None:
    ratings = Ratings(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([1.0, math.nan]), 1, 2)
    with pytest.raises(UnreachableRatings, match="1 of 2"):
        fit(ratings, CONFIG)


def test_no_ratings_are_refused() -> None:
    empty = torch.tensor([], dtype=torch.int64)
    with pytest.raises(NoRatings):
        fit(Ratings(empty, empty, empty.float(), 0, 0), CONFIG)


def test_divergence_stops_the_fit_at_once(world: tuple[Ratings, Ratings]) -> None:
    steps: list[FitProgress] = []
    with pytest.raises(FitDiverged, match="Lower learning_rate"):
        fit(world[0], replace(CONFIG, learning_rate=1e4, weight_decay=0.0, epochs=50), steps.append)
    assert len(steps) < 100  # of about 500


def test_nan_loss_stops_the_fit(world: tuple[Ratings, Ratings]) -> None:
    with pytest.raises(FitDiverged, match="loss is nan"):
        fit(world[0], replace(CONFIG, learning_rate=1e38))


def test_unavailable_device_is_a_clear_error(world: tuple[Ratings, Ratings]) -> None:
    for device in ("cuda:77", "abacus"):
        with pytest.raises(DeviceUnavailable, match=f'"{device}" is not available') as caught:
            fit(world[0], replace(CONFIG, device=device))
        assert isinstance(caught.value, FitError)


def test_progress_grows_to_the_end(world: tuple[Ratings, Ratings]) -> None:
    known, steps = world[0], []  # type: tuple[Ratings, list[FitProgress]]
    fitted = fit(known, CONFIG, steps.append)
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert steps[-1].done == steps[-1].total == CONFIG.epochs * len(known)
    assert steps[-1].ratings_per_second > 0
    assert [epoch.epoch for epoch in fitted.history] == [1, 2, 3, 4, 5]
    losses = [epoch.loss for epoch in fitted.history]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("n_ratings", "size"),
    [(1, 16), (12_000, 16), (59_000, 64), (61_000, 128), (80_000, 128), (900_000, 1024), (20_000_000, 32768)],
)
def test_automatic_batch_size(n_ratings: int, size: int) -> None:
    assert batch_size_for(n_ratings, CONFIG) == size
    assert batch_size_for(n_ratings, replace(CONFIG, batch_size=100)) == 100


@pytest.mark.parametrize(("n_factors", "n_models"), [(5, 2), (1, 2), (5, 4), (6, 3), (7, 1)])
def test_factors_are_shared_out_between_the_averaged_models(
    n_factors: int, n_models: int, world: tuple[Ratings, Ratings]
) -> None:
    config = replace(CONFIG, n_factors=n_factors, n_models=n_models, min_factors_per_model=1, epochs=1)
    parameters = fit(world[0], config).parameters
    assert parameters.user_factors.shape == (120, n_factors)
    assert parameters.item_factors.shape == (80, n_factors)
    assert (parameters.user_factors.abs().sum(0) > 0).all()


def test_left_over_columns_stay_zero_until_they_are_dropped(world: tuple[Ratings, Ratings]) -> None:
    """5 factors for 2 models of 3 columns: the second model's third column."""
    run = _Run(world[0], replace(CONFIG, n_factors=5, min_factors_per_model=1), torch.device("cpu"), None)
    run.epoch(1)
    second_model = run.table.view(2, run.n_rows, 4)[1]
    assert (second_model[:, 2] == 0).all()
    assert (second_model[:, [0, 1, 3]] != 0).all()


@pytest.mark.parametrize(("n_factors", "n_models"), [(100, 4), (50, 4), (47, 3), (24, 2), (23, 1), (5, 1), (1, 1)])
def test_thin_models_are_not_averaged(n_factors: int, n_models: int) -> None:
    assert n_models_for(FitConfig(y_range=(0.5, 5.5), n_factors=n_factors)) == n_models


def test_average_of_models_predicts_the_mean_of_their_scores(world: tuple[Ratings, Ratings]) -> None:
    """Undo the averaging: the factors' halves, scaled back by sqrt(2), are the two models' own."""
    parameters = fit(world[0], CONFIG).parameters
    user, item = parameters.user_factors * 2**0.5, parameters.item_factors * 2**0.5
    own = [user[:, part] @ item[:, part].T for part in (slice(0, 4), slice(4, 8))]
    bias = parameters.user_bias.unsqueeze(1) + parameters.item_bias
    torch.testing.assert_close(parameters.scores(torch.arange(120)), (own[0] + own[1]) / 2 + bias)


@pytest.mark.parametrize(("scale", "y_range"), [((1, 5), (0.5, 5.5)), ((0, 8), (-1, 9))])
def test_y_range_lies_a_little_past_the_scale(scale: tuple[float, float], y_range: tuple[float, float]) -> None:
    assert y_range_for(*scale) == y_range


def test_empty_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        y_range_for(5, 5)


def test_ml_100k_error_is_the_published_one(ml_100k_u1: tuple[Ratings, Ratings]) -> None:
    """One fold with the shipped defaults; the mean over the five folds is in the experiment log."""
    base, test = ml_100k_u1
    parameters: Parameters = fit(base, FitConfig(y_range=y_range_for(1, 5), device="cpu")).parameters
    found = rmse(parameters.predict(test.user_code, test.item_code).clamp(1, 5), test.rating)
    assert found == pytest.approx(0.9100, abs=0.003)
