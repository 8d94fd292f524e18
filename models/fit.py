"""The training loop of the biased matrix factorisation: mini-batches, AdamW, one cycle of the learning rate.

Several models are trained side by side and averaged (`FitConfig.n_models`): the mean of their scores is the score
of one model whose factors are theirs side by side, each divided by sqrt(n_models), and whose biases are the mean.

The recipe is that of fastai's collab_learner (github.com/fastai/fastai, fastai/collab.py and callback/schedule.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.config import FitConfig
from models.errors import FitDiverged, NoRatings, UnreachableRatings
from models.execution import deterministic_algorithms, one_thread, resolve_device
from models.gradient import loss_and_gradient
from models.parameters import Parameters, Side
from models.ratings import Ratings

_STEPS_PER_EPOCH = 625  # half the lesson's, at 1.6 times its learning rate: better and twice as fast where measured
_SMALLEST_BATCH = 16  # latest-small, 60 people: .945 at 16, .957 at 64; damped biases .925
_REPORTS_PER_EPOCH = 10
_DIVERGED_AT = 2.0  # times the loss of the untrained model; a sigmoid range bounds the loss, so it never is "huge"
# Below that many values a second thread gains nothing, and on a busy machine the threads wait for one another
# thousands of times: ML-100K beside other programs (load 5 on 2 cores) took 7 s with one thread, 60 to 87 s with two.
_TABLE_WORTH_THREADS = 1_000_000
_INITIAL_SPREAD = 0.01  # standard deviation of the first factors, as in fastai's EmbeddingDotBias


@dataclass(frozen=True)
class FitProgress:
    """Where a running fit stands: `done` of `total` ratings, over all epochs."""

    epoch: int
    epochs: int
    done: int
    total: int
    loss: float
    ratings_per_second: float


@dataclass(frozen=True)
class EpochLoss:
    """The mean training loss of an epoch, while the parameters moved; epochs count from 1."""

    epoch: int
    loss: float
    seconds: float
    ratings_per_second: float


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind; the parameters are on the CPU."""

    parameters: Parameters
    history: list[EpochLoss]


def fit(ratings: Ratings, config: FitConfig, on_progress: Callable[[FitProgress], None] | None = None) -> Fitted:
    """Learn the parameters that minimise the mean squared error, with decoupled weight decay.

    Prediction: low + (high - low) * sigmoid(user_factors[u] @ item_factors[i] + user_bias[u] + item_bias[i]),
    where (low, high) = config.y_range. Biased factors: Koren, Bell, Volinsky 2009; the sigmoid range: fastai.

    The same ratings, config and device kind give the same bits, with one thread or two; no global random state moves.
    on_progress is called about ten times an epoch.
    Raises NoRatings, UnreachableRatings and DeviceUnavailable before training, FitDiverged as soon as it shows.
    """
    refuse_unreachable(ratings.rating, config.y_range)
    device = resolve_device(config.device)
    run = _Run(ratings, config, device, on_progress)
    small = run.table.numel() < _TABLE_WORTH_THREADS
    with deterministic_algorithms(), one_thread(small), torch.no_grad():
        history = [run.epoch(epoch) for epoch in range(1, config.epochs + 1)]
        return Fitted(run.parameters(), history)


def batch_size_for(n_ratings: int, config: FitConfig) -> int:
    """The batch size that a fit uses: as configured, or the power of two nearest n_ratings / 625, at least 16."""
    if config.batch_size > 0:
        return config.batch_size
    wanted = max(1.0, n_ratings / _STEPS_PER_EPOCH)
    below = 1 << (int(wanted).bit_length() - 1)
    nearest = below if wanted - below < 2 * below - wanted else 2 * below
    return max(_SMALLEST_BATCH, nearest)


def n_models_for(config: FitConfig) -> int:
    """How many models a fit averages: n_models, or fewer where n_factors do not suffice for so many."""
    return max(1, min(config.n_models, config.n_factors // config.min_factors_per_model))


def refuse_unreachable(rating: Tensor, y_range: tuple[float, float]) -> None:
    """Raise UnreachableRatings unless every rating lies strictly inside y_range."""
    if rating.numel() == 0:
        raise NoRatings("There are 0 ratings to learn from. Nothing was trained. Lower the density limits or add data.")
    low, high = y_range
    outside = int((~((rating > low) & (rating < high))).sum())
    if outside:
        raise UnreachableRatings(
            f"y_range {low:g}..{high:g} cannot reach {outside:,} of {rating.numel():,} ratings "
            f"(they span {rating.min().item():g}..{rating.max().item():g}): a sigmoid stays strictly inside its range. "
            'Nothing was trained. Set y_range to "auto", or to a range a little wider than the scale.'
        )


class _Run:
    """One fit under way: the ratings and one table of all rows on the device, the optimiser, the clock.

    The table is (n_models * (n_users + n_items), n_factors + 1): for each model its users' rows, then its items';
    the last column is the bias.
    """

    def __init__(
        self, ratings: Ratings, config: FitConfig, device: torch.device, listener: Callable[[FitProgress], None] | None
    ) -> None:
        self.ratings, self.config, self.device, self.listener = ratings, config, device, listener
        self.n_models = n_models_for(config)
        self.generator = torch.Generator().manual_seed(config.seed)  # on the CPU: one order on every device
        self.rating = ratings.rating.to(device)
        self.pair = torch.stack([ratings.user_code, ratings.item_code + ratings.n_users]).to(device)
        self.table = torch.nn.Parameter(self._first_table(), requires_grad=False)
        self.batch_size = batch_size_for(len(ratings), config)
        self.optimizer, self.schedule = self._optimizer()
        middle = sum(config.y_range) / 2
        self.loss_limit = _DIVERGED_AT * (self.rating - middle).square().mean().item()
        self.started = time.perf_counter()

    @property
    def n_rows(self) -> int:
        return self.ratings.n_users + self.ratings.n_items

    def _first_table(self) -> Tensor:
        """Small random factors, biases 0.

        Where n_factors cannot be shared out evenly, the last columns start at 0 on both sides: then their gradient is
        exactly 0, they stay 0, and `parameters` drops them.
        """
        n_models, n_factors = self.n_models, self.config.n_factors
        width = -(-n_factors // n_models)
        table = torch.randn((n_models, self.n_rows, width + 1), generator=self.generator) * _INITIAL_SPREAD
        used = (torch.arange(n_models * width) < n_factors).view(n_models, 1, width)
        table[:, :, :-1] *= used
        table[:, :, -1] = 0.0
        return table.view(-1, width + 1).to(self.device)

    def _optimizer(self) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        config = self.config
        steps = -(-len(self.ratings) // self.batch_size) * config.epochs
        optimizer = torch.optim.AdamW(
            [self.table],
            lr=config.learning_rate,
            betas=(0.9, 0.99),
            eps=1e-5,
            weight_decay=config.weight_decay,
            fused=True,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=config.learning_rate,
            total_steps=steps,
            pct_start=0.25,
            div_factor=25,
            final_div_factor=4000,
            base_momentum=0.85,
            max_momentum=0.95,
        )
        return optimizer, schedule

    def epoch(self, epoch: int) -> EpochLoss:
        """One pass over the ratings, each model in an order of its own."""
        started, n = time.perf_counter(), len(self.ratings)
        models = range(self.n_models)
        order = torch.stack([torch.randperm(n, generator=self.generator) for _ in models]).to(self.device)
        first_row = torch.arange(self.n_models, device=self.device).unsqueeze(1) * self.n_rows
        pairs, rating = self.pair[:, order] + first_row, self.rating[order]
        batches = range(0, n, self.batch_size)
        window = max(1, len(batches) // _REPORTS_PER_EPOCH)
        total, since = 0.0, torch.zeros((), dtype=torch.float64, device=self.device)
        reported = 0
        for number, start in enumerate(batches, 1):
            end = min(start + self.batch_size, n)
            since += self.step(pairs[:, :, start:end].reshape(2, -1), rating[:, start:end].reshape(-1)) * (end - start)
            if number % window == 0 or end == n:
                total += since.item()
                self.report(epoch, end, since.item() / (end - reported))
                reported = end
                since.zero_()
        seconds = time.perf_counter() - started
        return EpochLoss(epoch, total / n, seconds, n / seconds)

    def step(self, pairs: Tensor, rating: Tensor) -> Tensor:
        """Move the table by one batch; returns the mean squared error before the move."""
        loss, gradient = loss_and_gradient(self.table, pairs, rating, self.config.y_range)
        self.table.grad = gradient.mul_(self.n_models)  # each model minimises its own mean
        self.optimizer.step()
        self.schedule.step()
        return loss

    def report(self, epoch: int, done: int, loss: float) -> None:
        """Check the loss of the last batches, then tell whoever listens."""
        if not loss <= self.loss_limit:  # also where the loss is NaN
            raise FitDiverged(
                f"The loss is {loss:g} in epoch {epoch} of {self.config.epochs}, after {done:,} of "
                f"{len(self.ratings):,} ratings; an untrained model has {self.loss_limit / _DIVERGED_AT:.3g}, "
                f"the limit is {self.loss_limit:.3g}. Training stopped, nothing was kept. "
                f"Lower learning_rate (now {self.config.learning_rate:g})."
            )
        if self.listener:
            n = len(self.ratings)
            done_in_all = (epoch - 1) * n + done
            rate = done_in_all / (time.perf_counter() - self.started)
            self.listener(FitProgress(epoch, self.config.epochs, done_in_all, self.config.epochs * n, loss, rate))

    def parameters(self) -> Parameters:
        """The average of the models, as one model; rows without a rating are the average of the rated ones."""
        rows = self.table.detach().cpu().view(self.n_models, self.n_rows, -1)
        side_by_side = (rows[:, :, :-1] / self.n_models**0.5).permute(1, 0, 2).reshape(self.n_rows, -1)
        whole = Side(side_by_side[:, : self.config.n_factors], rows[:, :, -1].mean(0))
        n_users, n_items = self.ratings.n_users, self.ratings.n_items
        users = _unrated_averaged(
            whole.rows(slice(0, n_users)), torch.bincount(self.ratings.user_code, minlength=n_users)
        )
        items = _unrated_averaged(
            whole.rows(slice(n_users, None)), torch.bincount(self.ratings.item_code, minlength=n_items)
        )
        mean = self.ratings.rating.double().mean().item()
        return Parameters(users.factors, items.factors, users.bias, items.bias, self.config.y_range, mean)


def _unrated_averaged(side: Side, n_ratings: Tensor) -> Side:
    """The side with the average of its rated rows in place of what random start is left in the unrated ones."""
    unrated = (n_ratings == 0).unsqueeze(1)
    average = side.rows(n_ratings > 0).mean()
    factors = torch.where(unrated, average.factors, side.factors)
    return Side(factors.contiguous(), torch.where(unrated.squeeze(1), average.bias, side.bias).contiguous())
