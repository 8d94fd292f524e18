"""The defaults of the models, each with its reason; no torch here, so that settings can be read quickly.

"Measured" means: on the five published folds of ML-100K and on the newest tenth of latest-small,
by the benchmarks behind docs/log.md.
"""

from dataclasses import dataclass

_Y_RANGE_PADDING = 0.125  # of the scale's width, on both sides; 1..5 gives (0.5, 5.5), next to the lesson's (0, 5.5)


def y_range_for(scale_min: float, scale_max: float) -> tuple[float, float]:
    """A range a little past the scale: a sigmoid never reaches its ends, the best and worst ratings must be inside.

    y_range_for(1, 5) is (0.5, 5.5).  Raises ValueError where scale_max is not above scale_min.
    """
    if not scale_max > scale_min:
        raise ValueError(f"the scale {scale_min:g}..{scale_max:g} is empty: its end must lie above its start")
    padding = _Y_RANGE_PADDING * (scale_max - scale_min)
    return (scale_min - padding, scale_max + padding)


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How the biased matrix factorisation is trained."""

    y_range: tuple[float, float]  # predictions lie strictly inside; belongs to the source's scale, so no default
    n_factors: int = 50  # the lesson's; with weight decay more or fewer hardly matter
    n_models: int = 4  # at most: trained side by side and averaged, n_factors shared out; ML-100K 2: .903, 4: .901
    min_factors_per_model: int = 12  # fewer models rather than thinner ones; with 8 factors each the gain is lost
    epochs: int = 5  # the lesson's; one cycle of the learning rate spans all of them
    batch_size: int = 0  # 0 = automatic: about 625 steps an epoch, at least 16; twice the lesson's batch, half its time
    learning_rate: float = 8e-3  # the peak of the cycle; the lesson's 5e-3 belongs to its smaller batch
    weight_decay: float = 0.1  # decoupled (AdamW); the lesson's, and what keeps 50 factors from overfitting
    seed: int = 42  # of the first factors and the order of the ratings
    device: str = "auto"  # a GPU where there is one, else the CPU


@dataclass(frozen=True, kw_only=True)
class FoldInConfig:
    """How users and items outside the dense core are solved from their ratings."""

    shrinkage: float = 3.0  # ridge towards the average; within .003 of the best of .1 to 40 for users and for items
    steps: int = 5  # Gauss-Newton steps; 4 and 30 gave the same error to four digits
    block_values: int = 4_000_000  # floats gathered at once: 16 MB


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """The damped-bias baseline: a bias counts as if so many average ratings came with it."""

    item_damping: float = 5.0
    user_damping: float = 5.0


@dataclass(frozen=True, kw_only=True)
class HoldoutConfig:
    """What is kept from training in order to judge it."""

    share: float = 0.1  # the newest tenth of each user's ratings
    golden_share: float = 0.01  # never trained on, also not by the published fit


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """When a challenger is blessed."""

    tolerance: float = 0.01  # relative: a night this much worse than the champion is still fine
    chance: float = 1.0  # standard errors of an RMSE over n ratings, 1 / sqrt(2 n), that are no news: 2 % at 1,000
    min_new_ratings: int = 1000  # fewer ratings newer than the champion's snapshot say too little about it
