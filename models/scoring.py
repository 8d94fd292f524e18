"""Lists: the best unseen items of each user, and the nearest items of each item, exactly and in blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.errors import ScoresNotFinite
from models.parameters import Parameters
from models.ratings import RowLists

_NOTHING = -1  # the item code of an empty place


@dataclass(frozen=True)
class TopBlock:
    """The lists of some users, best first.

    user_code  (B,) int64
    item_code  (B, n) int64; -1 from place n_valid on
    score      (B, n) float32, never rising; -inf from place n_valid on
    n_valid    (B,) int64: n, or fewer where fewer unseen items exist
    """

    user_code: Tensor
    item_code: Tensor
    score: Tensor
    n_valid: Tensor


def top_n(
    parameters: Parameters, user_codes: Tensor, seen: RowLists, n: int, block_users: int = 512
) -> Iterator[TopBlock]:
    """The n unseen items of highest score of each user, block by block; of equal scores the lower item code first.

    The scores are the sigmoid's arguments: `parameters.to_rating(block.score)` gives predicted ratings.
    seen        for every user code of the parameters the item codes to leave out
    Raises ScoresNotFinite at a NaN or infinite score.
    """
    return top_n_by(parameters.scores, user_codes, seen, n, block_users)


def top_n_by(
    scores_of: Callable[[Tensor], Tensor], user_codes: Tensor, seen: RowLists, n: int, block_users: int = 512
) -> Iterator[TopBlock]:
    """As top_n, for any scorer: scores_of(user codes (B,)) gives (B, n_items), and may be overwritten."""
    for users in torch.split(user_codes, block_users):
        scores = scores_of(users)
        _require_finite(scores)
        position, entry = seen.entries_of(users)
        scores[position, seen.code[entry]] = -torch.inf
        code, score = _best(scores, n)
        valid = score > -torch.inf
        yield TopBlock(users, code.masked_fill(~valid, _NOTHING), score, valid.sum(1))


def _require_finite(scores: Tensor) -> None:
    if bool(scores.sum(1).isfinite().all()):  # three times faster than asking each score
        return
    bad = int((~scores.isfinite()).sum())
    if bad:
        raise ScoresNotFinite(
            f"{bad:,} of {scores.numel():,} scores in a block of {scores.shape[0]:,} rows are NaN or infinite; "
            "0 are allowed. No list was made. The parameters are damaged: train again."
        )


def _best(scores: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Columns and values of each row's n highest, (B, n), the lower column first among equals.

    topk breaks ties as it likes. So take one more than asked: only a row whose n-th and next value are equal can have
    lost a lower column, and is sorted in full.
    """
    n_columns = scores.shape[1]
    taken = min(n + 1, n_columns)
    code = torch.sort(torch.topk(scores, taken, sorted=False).indices, dim=1).values
    value, order = torch.sort(scores.gather(1, code), dim=1, descending=True, stable=True)
    code = code.gather(1, order)
    if taken > n:
        tied = ((value[:, n] == value[:, n - 1]) & (value[:, n] > -torch.inf)).nonzero().squeeze(1)
        in_full = torch.sort(scores[tied], dim=1, descending=True, stable=True)
        code[tied], value[tied] = in_full.indices[:, :taken], in_full.values[:, :taken]
    missing = max(0, n - taken)
    code = torch.nn.functional.pad(code[:, :n], (0, missing), value=_NOTHING)
    return code, torch.nn.functional.pad(value[:, :n], (0, missing), value=-torch.inf)


def similar_items(item_factors: Tensor, n: int, block: int = 512) -> tuple[Tensor, Tensor]:
    """Each item's n nearest others by the cosine of their factors: codes and similarities, (n_items, n') each.

    Codes are rows of item_factors; n' = min(n, n_items - 1). Of equal similarities the lower code comes first.
    An item whose factors are all 0 has similarity 0 to everything.
    Raises ScoresNotFinite at a NaN or infinite factor.
    """
    _require_finite(item_factors)
    unit = torch.nn.functional.normalize(item_factors, dim=1)
    n_items = unit.shape[0]
    n = min(n, max(0, n_items - 1))
    codes, values = torch.empty((n_items, n), dtype=torch.int64), torch.empty((n_items, n))
    for items in torch.split(torch.arange(n_items), block) if n else ():
        cosine = (unit[items] @ unit.T).clamp_(-1.0, 1.0)
        cosine[torch.arange(items.shape[0]), items] = -torch.inf
        codes[items], values[items] = _best(cosine, n)
    return codes, values


def n_common_users(item: Tensor, other: Tensor, raters: RowLists, block_entries: int = 4_000_000) -> Tensor:
    """How many users rated both items of each pair, (n_pairs,) int64; exact.

    raters   for each item code the codes of its users, each at most once

    Of a pair the item with more ratings is spread out as a row of flags, the other's users are looked up there.
    """
    lengths = raters.lengths
    swap = lengths[item] < lengths[other]
    long, short = torch.where(swap, other, item), torch.where(swap, item, other)
    n_users = int(raters.code.max()) + 1 if raters.code.numel() else 0
    common = torch.zeros_like(item)
    for pairs in _pair_blocks(long, lengths[short], n_users, block_entries):
        spread, row_of = torch.unique(long[pairs], return_inverse=True)
        position, entry = raters.entries_of(spread)
        flags = torch.zeros((spread.shape[0], n_users), dtype=torch.bool)
        flags[position, raters.code[entry]] = True
        position, entry = raters.entries_of(short[pairs])
        both = flags[row_of[position], raters.code[entry]]
        common[pairs] = torch.bincount(position[both], minlength=pairs.shape[0])
    return common


def _pair_blocks(long: Tensor, work: Tensor, n_users: int, block_entries: int) -> Iterator[Tensor]:
    """Pair numbers, pairs of one long item together, with bounded look-ups and bounded flags in a block."""
    order = torch.sort(long, stable=True).indices
    if not order.numel():
        return
    by_work = work[order].cumsum(0) // block_entries
    new_item = torch.cat([long.new_zeros(1), (long[order].diff() != 0).long()]).cumsum(0)
    by_flags = new_item // max(1, block_entries // max(1, n_users))
    cut = (by_work.diff() != 0) | (by_flags.diff() != 0)
    yield from torch.tensor_split(order, (cut.nonzero().squeeze(1) + 1).cpu())
