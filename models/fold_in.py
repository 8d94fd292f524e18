"""Factors and biases of users or items that the model was not trained on, from their ratings.

The other side stays fixed; the function does not know which side it solves for.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from models.config import FoldInConfig
from models.execution import deterministic_algorithms
from models.parameters import Parameters, Side
from models.ratings import RowLists

_SIMILAR_LENGTH = 0.7  # rows of one group have at least this share of its longest row: little padding


def fold_in_users(parameters: Parameters, rated: RowLists, config: FoldInConfig) -> Side:
    """Factors and biases of new users; rated.code holds item codes."""
    return fold_in(rated, parameters.items, parameters.users.mean(), parameters.y_range, config)


def fold_in_items(parameters: Parameters, rated_by: RowLists, config: FoldInConfig) -> Side:
    """Factors and biases of new items; rated_by.code holds user codes."""
    return fold_in(rated_by, parameters.users, parameters.items.mean(), parameters.y_range, config)


def fold_in(rows: RowLists, fixed: Side, start: Side, y_range: tuple[float, float], config: FoldInConfig) -> Side:
    """Minimise sum of (rating - prediction)^2 + shrinkage * |theta - theta_0|^2 for each row's theta = [factors, bias].

    theta_0 is `start`, the average row: without ratings a row is exactly that, the more ratings the nearer to the data.
    Gauss-Newton steps (Nocedal and Wright, Numerical Optimization, 10.3) through the sigmoid; a step that would
    raise a row's objective is halved for that row.

    rows    n_rows lists of codes of the fixed side, with ratings
    fixed   factors (n_codes, n_factors), bias (n_codes,)      start   factors (1, n_factors), bias (1,)
    returns factors (n_rows, n_factors), bias (n_rows,)
    """
    theta_0 = torch.cat([start.factors, start.bias.unsqueeze(1)], 1)
    theta = theta_0.repeat(rows.n_rows, 1)
    with deterministic_algorithms(), torch.no_grad():
        for group in groups_of_similar_length(rows.lengths, theta.shape[1], config.block_values):
            theta[group] = _Block(rows, group, fixed, theta_0, y_range=y_range, config=config).solve()
    return Side(theta[:, :-1].contiguous(), theta[:, -1].contiguous())


def groups_of_similar_length(lengths: Tensor, width: int, block_values: int) -> Iterator[Tensor]:
    """Row numbers in groups to be padded to the group's longest row; rows without entries are in none.

    A group's padded size, rows * longest * width, stays within block_values unless it is a single row.
    """
    order = torch.sort(lengths, descending=True, stable=True).indices
    sizes = lengths[order].tolist()
    start = 0
    while start < len(sizes) and sizes[start] > 0:
        longest = sizes[start]
        most = max(1, block_values // (longest * width))
        end = start + 1
        while end < len(sizes) and end - start < most and sizes[end] >= max(1.0, _SIMILAR_LENGTH * longest):
            end += 1
        yield order[start:end]
        start = end


class _Block:
    """Some rows of similar length, padded: B rows, L entries, d = n_factors + 1 unknowns."""

    def __init__(
        self,
        rows: RowLists,
        group: Tensor,
        fixed: Side,
        theta_0: Tensor,
        *,
        y_range: tuple[float, float],
        config: FoldInConfig,
    ) -> None:
        assert rows.rating is not None, "fold-in needs ratings"
        position, entry = rows.entries_of(group)
        place = entry - rows.offsets[group][position]
        shape = (group.shape[0], int(rows.lengths[group].max()))
        code, self.rating = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape)
        self.real = torch.zeros(shape)  # 1 for an entry, 0 for padding
        code[position, place], self.rating[position, place] = rows.code[entry], rows.rating[entry]
        self.real[position, place] = 1.0
        ones = torch.ones(fixed.bias.shape[0], 1)
        self.inputs = torch.cat([fixed.factors, ones], 1)[code]  # (B, L, d)
        self.offset = fixed.bias[code]  # (B, L)
        self.theta_0, self.y_range, self.config = theta_0, y_range, config

    def solve(self) -> Tensor:
        """(B, d)."""
        theta = self.theta_0.repeat(self.rating.shape[0], 1)
        stride = torch.ones(theta.shape[0], 1)
        lowest = self.objective(theta)
        for _ in range(self.config.steps):
            candidate = theta + stride * self.direction(theta)
            reached = self.objective(candidate)
            better = reached <= lowest
            theta = torch.where(better.unsqueeze(1), candidate, theta)
            lowest = torch.where(better, reached, lowest)
            stride = torch.where(better.unsqueeze(1), torch.ones_like(stride), stride / 2)
        return theta

    def shares(self, theta: Tensor) -> Tensor:
        """sigmoid(score), (B, L)."""
        return torch.sigmoid(torch.bmm(self.inputs, theta.unsqueeze(2)).squeeze(2) + self.offset)

    def errors(self, share: Tensor) -> Tensor:
        """rating - prediction, 0 on padding, (B, L)."""
        low, high = self.y_range
        return (self.rating - (low + (high - low) * share)) * self.real

    def objective(self, theta: Tensor) -> Tensor:
        """(B,)."""
        ridge = self.config.shrinkage * (theta - self.theta_0).square().sum(1)
        return self.errors(self.shares(theta)).square().sum(1) + ridge

    def direction(self, theta: Tensor) -> Tensor:
        """(J'J + shrinkage I)^-1 (J' error - shrinkage (theta - theta_0)), with J = d prediction / d theta; (B, d)."""
        low, high = self.y_range
        share = self.shares(theta)
        slope = (high - low) * share * (1 - share) * self.real
        jacobian = self.inputs * slope.unsqueeze(2)
        shrinkage = self.config.shrinkage
        normal = torch.bmm(jacobian.mT, jacobian) + shrinkage * torch.eye(theta.shape[1])
        pull = torch.bmm(jacobian.mT, self.errors(share).unsqueeze(2)).squeeze(2) - shrinkage * (theta - self.theta_0)
        factor = torch.linalg.cholesky(normal)
        return torch.cholesky_solve(pull.unsqueeze(2), factor).squeeze(2)
