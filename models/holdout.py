"""What is kept from training in order to judge it: the newest ratings of each user."""

import torch
from torch import Tensor

_ROUNDING = 1e-9  # 0.29 * 50 is 14.499999999999998 in binary


def split(user_code: Tensor, rated_at: Tensor | None, seed: int, share: float = 0.1) -> Tensor:
    """True for the newest share of each user's ratings, (n,) bool; a random share where there are no timestamps.

    A user with m ratings gives floor(share * m + 1/2) of them: at a tenth, nobody with fewer than 5.
    Ratings of the same time are drawn by the seed. The same rows in the same order give the same mask.

    user_code  (n,) int64      rated_at  (n,) int64, any unit
    """
    n = user_code.shape[0]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).to(user_code.device)
    if rated_at is not None:
        order = order[torch.sort(rated_at[order], descending=True, stable=True).indices]
    order = order[torch.sort(user_code[order], stable=True).indices]
    count = torch.bincount(user_code)
    first = count.cumsum(0) - count
    place = torch.empty_like(user_code)
    place[order] = torch.arange(n, device=user_code.device) - first[user_code[order]]
    kept = torch.floor(count.double() * share + 0.5 + _ROUNDING).long()
    return place < kept[user_code]
