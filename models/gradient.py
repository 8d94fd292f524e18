"""The squared error of a batch and its derivative, written out by hand."""

import torch
from torch import Tensor


def loss_and_gradient(
    table: Tensor, pairs: Tensor, rating: Tensor, y_range: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """The mean squared error of some pairs, and its derivative by the whole table.

    With rows a = [p, b_a] and c = [q, b_c]: score z = p @ q + b_a + b_c, s = sigmoid(z), error e = low + width * s - r.
    d loss / d a = 2/n * e * width * s * (1 - s) * [q, 1], and d loss / d c likewise with [p, 1].
    By hand because it takes half of autograd's time; a test compares the two.

    table   (n_rows, n_factors + 1)      pairs  (2, n) row numbers      rating  (n,)
    """
    low, high = y_range
    rows = table[pairs]
    left, right = rows[0], rows[1]
    score = (left[:, :-1] * right[:, :-1]).sum(1).add_(left[:, -1]).add_(right[:, -1])
    share = torch.sigmoid(score)
    error = share * (high - low) + (low - rating)
    slope = error * share * (1 - share) * (2 * (high - low) / rating.shape[0])
    gradient = rows.flip(0)
    gradient[:, :, -1] = 1.0
    gradient *= slope.unsqueeze(1)
    by_row: Tensor = torch.ops.aten.embedding_dense_backward(
        gradient.reshape(-1, table.shape[1]), pairs.reshape(-1), table.shape[0], -1, False
    )
    return error.square().mean(), by_row
