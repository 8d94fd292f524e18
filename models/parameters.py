"""The learned parameters of the biased matrix factorisation: predicting with them, keeping them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.errors import CheckpointDamaged

FORMAT_VERSION = "1"
_METADATA_KEY = "overnight"
_TENSORS = ("user_factors", "item_factors", "user_bias", "item_bias")
_BLOCK = 1 << 16  # pairs predicted at once: 26 MB of factors at 50


@dataclass(frozen=True)
class Side:
    """The users' or the items' half of the parameters.

    factors  (n, n_factors) float32
    bias     (n,) float32
    """

    factors: Tensor
    bias: Tensor

    def rows(self, which: Tensor | slice) -> "Side":
        """Some of the rows: a slice, a mask or row numbers."""
        return Side(self.factors[which], self.bias[which])

    def mean(self) -> "Side":
        """The average row, (1, n_factors) and (1,): what is assumed of somebody nothing is known about."""
        return Side(self.factors.mean(0, keepdim=True), self.bias.mean(0, keepdim=True))

    def extended(self, more: "Side") -> "Side":
        """These rows, then the others."""
        return Side(torch.cat([self.factors, more.factors]), torch.cat([self.bias, more.bias]))


@dataclass(frozen=True)
class Parameters:
    """prediction = low + (high - low) * sigmoid(user_factors[u] @ item_factors[i] + user_bias[u] + item_bias[i]).

    user_factors  (n_users, n_factors) float32      user_bias  (n_users,) float32
    item_factors  (n_items, n_factors) float32      item_bias  (n_items,) float32
    y_range       (low, high); predictions lie strictly inside and are not clipped to the scale
    global_mean   of the training ratings
    """

    user_factors: Tensor
    item_factors: Tensor
    user_bias: Tensor
    item_bias: Tensor
    y_range: tuple[float, float]
    global_mean: float

    @property
    def n_users(self) -> int:
        return self.user_factors.shape[0]

    @property
    def n_items(self) -> int:
        return self.item_factors.shape[0]

    @property
    def users(self) -> Side:
        return Side(self.user_factors, self.user_bias)

    @property
    def items(self) -> Side:
        return Side(self.item_factors, self.item_bias)

    def with_users(self, users: Side) -> "Parameters":
        """The same model with other users, for example the core's followed by folded-in ones."""
        return replace(self, user_factors=users.factors, user_bias=users.bias)

    def with_items(self, items: Side) -> "Parameters":
        """The same model with other items."""
        return replace(self, item_factors=items.factors, item_bias=items.bias)

    def with_average(self) -> "Parameters":
        """The same model with one more user and one more item, the average ones (codes n_users and n_items)."""
        return self.with_users(self.users.extended(self.users.mean())).with_items(
            self.items.extended(self.items.mean())
        )

    def predict(self, user_code: Tensor, item_code: Tensor) -> Tensor:
        """The predicted ratings of pairs, (n,) float32; not clipped to the scale."""
        blocks = zip(torch.split(user_code, _BLOCK), torch.split(item_code, _BLOCK), strict=True)
        scores = [self._pair_scores(users, items) for users, items in blocks]
        return self.to_rating(torch.cat(scores))

    def _pair_scores(self, user_code: Tensor, item_code: Tensor) -> Tensor:
        product = (self.user_factors[user_code] * self.item_factors[item_code]).sum(1)
        return product + self.user_bias[user_code] + self.item_bias[item_code]

    def scores(self, user_code: Tensor) -> Tensor:
        """The sigmoid's arguments of some users for all items, (n, n_items): they order a list as ratings would."""
        scores = torch.addmm(self.item_bias, self.user_factors[user_code], self.item_factors.T)
        return scores.add_(self.user_bias[user_code].unsqueeze(1))

    def to_rating(self, score: Tensor) -> Tensor:
        """Scores as predicted ratings, any shape."""
        low, high = self.y_range
        return low + (high - low) * torch.sigmoid(score)

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The four tensors by name, contiguous and on the CPU."""
        for name in _TENSORS:
            yield name, getattr(self, name).detach().to("cpu").contiguous()

    def save(self, path: Path) -> None:
        """Write a safetensors file; give a temporary name and rename it afterwards, a full disk leaves a torn file."""
        low, high = self.y_range
        facts = {"format_version": FORMAT_VERSION, "y_range": [low, high], "global_mean": self.global_mean}
        # One key only: safetensors writes several in a random order, and the same night must give the same bytes.
        save_file(dict(self.named_tensors()), path, metadata={_METADATA_KEY: json.dumps(facts)})

    @classmethod
    def load(cls, path: Path) -> "Parameters":
        """The parameters that `save` wrote, on the CPU.

        Raises CheckpointDamaged where the file is cut, of another format, or its tensors do not fit together.
        A flipped bit inside a number is only seen where the number becomes NaN or infinite: compare a SHA-256 first.
        """
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})[_METADATA_KEY])
                tensors = {name: file.get_tensor(name) for name in _TENSORS}
            if facts["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format version {facts['format_version']!r}, this code reads {FORMAT_VERSION!r}")
            low, high = map(float, facts["y_range"])
            loaded = cls(**tensors, y_range=(low, high), global_mean=float(facts["global_mean"]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        _check(loaded, path)
        return loaded


def _check(loaded: Parameters, path: Path) -> None:
    """Raise CheckpointDamaged unless shapes, types and values fit together."""
    n_users, n_items, n_factors = loaded.user_bias.numel(), loaded.item_bias.numel(), loaded.user_factors.shape[-1]
    expected = {
        "user_factors": (n_users, n_factors),
        "item_factors": (n_items, n_factors),
        "user_bias": (n_users,),
        "item_bias": (n_items,),
    }
    for name, tensor in loaded.named_tensors():
        if tuple(tensor.shape) != expected[name] or tensor.dtype != torch.float32:
            raise _damaged(path, f"{name} is {tensor.dtype} {tuple(tensor.shape)}, expected float32 {expected[name]}")
        if not bool(tensor.isfinite().all()):
            raise _damaged(path, f"{name} holds NaN or infinite values")
    if not loaded.y_range[0] < loaded.y_range[1]:
        raise _damaged(path, f"y_range {loaded.y_range} is empty")


def _damaged(path: Path, reason: str) -> CheckpointDamaged:
    return CheckpointDamaged(
        f"{path.name}: not a sound checkpoint ({reason}). Nothing was loaded. "
        "Restore the file from the run that wrote it, or train again."
    )
