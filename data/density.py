"""The dense core: what is left of users and items when everybody in it must have enough ratings in it."""

from dataclasses import asdict, dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import EmptyCore
from data.settings import DensitySettings

Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Extent:
    """The size of a rating matrix; density = ratings / (users × items)."""

    n_users: int
    n_items: int
    n_ratings: int

    @property
    def density(self) -> float:
        return self.n_ratings / (self.n_users * self.n_items) if self.n_ratings else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "density": self.density}


@dataclass(frozen=True)
class Core:
    """The mask of ratings in the core, and the report before → after."""

    mask: Mask  # (n_ratings,)
    min_ratings_per_user: int
    min_ratings_per_item: int
    before: Extent
    after: Extent

    def report(self) -> dict[str, Any]:
        """The report as a dictionary."""
        return {
            "min_ratings_per_user": self.min_ratings_per_user,
            "min_ratings_per_item": self.min_ratings_per_item,
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
        }


def dense_core(user_code: Codes, item_code: Codes, settings: DensitySettings) -> Core:
    """The core of ratings by minimum counts, or by the lowest count that reaches the target density.

    user_code, item_code    (n_ratings,) 0..n-1, a pair at most once
    Raises EmptyCore with numbers that would work.
    """
    if settings.target_density is not None:
        return _core_of_density(user_code, item_code, settings.target_density)
    per_user, per_item = settings.min_ratings_per_user, settings.min_ratings_per_item
    core = _core(user_code, item_code, per_user, per_item)
    if not core.after.n_ratings:
        raise EmptyCore(_advice(user_code, item_code, per_user, per_item))
    return core


def k_core(user_code: Codes, item_code: Codes, per_user: int, per_item: int) -> Mask:
    """The mask of the largest set of ratings in which each user has at least per_user and each item per_item.

    Removes what falls short, users and items in turn, until nothing does; the fixpoint is unique.
    """
    kept = np.arange(len(user_code))
    while len(kept):
        users, items = user_code[kept], item_code[kept]
        enough = (np.bincount(users)[users] >= per_user) & (np.bincount(items)[items] >= per_item)
        if enough.all():
            break
        kept = kept[enough]
    mask = np.zeros(len(user_code), dtype=np.bool_)
    mask[kept] = True
    return mask


def extent(user_code: Codes, item_code: Codes) -> Extent:
    """The users and items that have ratings, and how many ratings."""
    return Extent(
        int(np.count_nonzero(np.bincount(user_code))), int(np.count_nonzero(np.bincount(item_code))), len(user_code)
    )


def _core(user_code: Codes, item_code: Codes, per_user: int, per_item: int) -> Core:
    mask = k_core(user_code, item_code, per_user, per_item)
    return Core(mask, per_user, per_item, extent(user_code, item_code), extent(user_code[mask], item_code[mask]))


def _core_of_density(user_code: Codes, item_code: Codes, target: float) -> Core:
    """The k-core with the lowest k whose density reaches the target.

    Density hardly ever falls as k grows, but it may: so k is walked up, doubling first costs a wrong answer.
    """
    core = best = _core(user_code, item_code, 1, 1)
    k = 1
    while core.after.n_ratings and core.after.density < target:
        best = max(best, core, key=lambda one: one.after.density)
        k += 1
        core = _core(user_code, item_code, k, k)
    if core.after.n_ratings:
        return core
    raise EmptyCore(
        f"no core reaches density.target_density = {target:.2%}: the densest has {_describe(best.after)} "
        f"with at least {best.min_ratings_per_user} ratings each. Nothing was trained; what is published stands. "
        f"Set density.target_density to {_rounded_down(best.after.density)} or less."
    )


def _rounded_down(density: float) -> str:
    """Four significant digits, never more than the density itself."""
    with localcontext(prec=4, rounding=ROUND_FLOOR):
        return f"{+Decimal(density):f}"


def _advice(user_code: Codes, item_code: Codes, per_user: int, per_item: int) -> str:
    before = extent(user_code, item_code)
    works = _largest_that_works(user_code, item_code, per_user, per_item)
    return (
        f"the density filter left nothing of {_describe(before)}: "
        f"no core has {per_user} ratings per user and {per_item} per item. "
        f"Nothing was trained; what is published stands. "
        f"density.min_ratings_per_user = {works.min_ratings_per_user} with "
        f"density.min_ratings_per_item = {works.min_ratings_per_item} works: it keeps {_describe(works.after)}."
    )


def _largest_that_works(user_code: Codes, item_code: Codes, per_user: int, per_item: int) -> Core:
    """The largest pair of limits in the asked proportion that leaves a core; (1, 1) always does."""
    low, high = 0.0, 1.0
    best = _core(user_code, item_code, 1, 1)
    while (high - low) * max(per_user, per_item) > 0.5:
        middle = (low + high) / 2
        core = _core(user_code, item_code, max(1, round(per_user * middle)), max(1, round(per_item * middle)))
        if core.after.n_ratings:
            low, best = middle, core
        else:
            high = middle
    return best


def _describe(size: Extent) -> str:
    return f"{size.n_users:,} users × {size.n_items:,} items ({size.n_ratings:,} ratings, {size.density:.2%} dense)"
