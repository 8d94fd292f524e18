"""Ratings as tensors: a list of triples, and the same grouped by row."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ratings:
    """Triples of user, item and rating.

    user_code  (n,) int64, 0 .. n_users-1
    item_code  (n,) int64, 0 .. n_items-1
    rating     (n,) float32
    """

    user_code: Tensor
    item_code: Tensor
    rating: Tensor
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return self.rating.shape[0]

    def select(self, rows: Tensor) -> "Ratings":
        """The ratings at a boolean mask (n,) or at row numbers; the numbers of users and items stay."""
        return Ratings(self.user_code[rows], self.item_code[rows], self.rating[rows], self.n_users, self.n_items)

    def by_user(self) -> "RowLists":
        """What each user rated."""
        return group_rows(self.user_code, self.item_code, self.rating, self.n_users)

    def by_item(self) -> "RowLists":
        """Who rated each item."""
        return group_rows(self.item_code, self.user_code, self.rating, self.n_items)


@dataclass(frozen=True)
class RowLists:
    """For each row a list of codes, with their ratings where there are any (a CSR matrix).

    offsets  (n_rows + 1,) int64: row r owns the entries offsets[r] .. offsets[r+1]-1
    code     (n_entries,) int64
    rating   (n_entries,) float32, or None
    """

    offsets: Tensor
    code: Tensor
    rating: Tensor | None = None

    @property
    def n_rows(self) -> int:
        return self.offsets.shape[0] - 1

    @property
    def lengths(self) -> Tensor:
        """(n_rows,) int64."""
        return self.offsets.diff()

    def entries_of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """All entries of some rows, one after the other: (position of the row in `rows`, index of the entry)."""
        lengths = self.lengths[rows]
        position = torch.repeat_interleave(torch.arange(rows.shape[0], device=rows.device), lengths)
        first = lengths.cumsum(0) - lengths
        entry = torch.arange(position.shape[0], device=rows.device) + (self.offsets[rows] - first)[position]
        return position, entry


def group_rows(row: Tensor, code: Tensor, rating: Tensor | None, n_rows: int) -> RowLists:
    """The entries sorted by row, and by code within a row."""
    by_code = torch.sort(code, stable=True).indices
    order = by_code[torch.sort(row[by_code], stable=True).indices]
    offsets = torch.zeros(n_rows + 1, dtype=torch.int64, device=row.device)
    offsets[1:] = torch.bincount(row, minlength=n_rows).cumsum(0)
    return RowLists(offsets, code[order], None if rating is None else rating[order])
