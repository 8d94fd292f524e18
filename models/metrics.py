"""How good predictions and lists are. A figure over nothing is NaN, never 0 or 1."""

import torch
from torch import Tensor

from models.ratings import RowLists


def rmse(predicted: Tensor, rating: Tensor) -> float:
    """sqrt(mean((predicted - rating)^2)), in units of the rating scale."""
    return (predicted.double() - rating.double()).square().mean().sqrt().item()


def mae(predicted: Tensor, rating: Tensor) -> float:
    """mean(|predicted - rating|), in units of the rating scale."""
    return (predicted.double() - rating.double()).abs().mean().item()


def hits(top: Tensor, relevant: RowLists) -> Tensor:
    """Which places of each list hold a relevant item, (n_rows, k) bool.

    top       (n_rows, k) int64 item codes, best first; a negative code is an empty place
    relevant  for each row of `top` the codes of the relevant items
    """
    span = int(torch.cat([top.flatten(), relevant.code, top.new_zeros(1)]).max())
    row = torch.repeat_interleave(torch.arange(relevant.n_rows, device=top.device), relevant.lengths)
    wanted = row * (span + 1) + relevant.code
    offered = torch.arange(top.shape[0], device=top.device).unsqueeze(1) * (span + 1) + top
    return torch.isin(offered, wanted) & (top >= 0)


def ndcg_at_k(top: Tensor, relevant: RowLists, k: int) -> float:
    """Mean over the rows with a relevant item of DCG / ideal DCG, DCG = sum over hits at ranks 1..k of 1/log2(rank+1).

    The ideal list has all of min(k, number of relevant items) hits first.
    """
    counted = relevant.lengths > 0
    ranks = torch.arange(1, k + 1, dtype=torch.float64, device=top.device)
    gain = 1 / torch.log2(ranks + 1)
    found = hits(top[:, :k], relevant)
    dcg = (found * gain[: found.shape[1]]).sum(1)
    ideal = torch.cat([gain.new_zeros(1), gain.cumsum(0)])[relevant.lengths.clamp_max(k)]
    return (dcg[counted] / ideal[counted]).mean().item()


def recall_at_k(top: Tensor, relevant: RowLists, k: int) -> float:
    """Mean over the rows with a relevant item of hits / min(k, number of relevant items)."""
    counted = relevant.lengths > 0
    found = hits(top[:, :k], relevant).sum(1)[counted].double()
    return (found / relevant.lengths[counted].clamp_max(k)).mean().item()


def coverage(top: Tensor, n_items: int) -> float:
    """The share of the catalogue that stands in at least one list."""
    return torch.unique(top[top >= 0]).numel() / n_items if n_items else float("nan")
