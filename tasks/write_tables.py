"""The tables of one run on their way to disk; ids come back in here, codes stay behind."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import torch

from data.schemas import (
    DEFAULT_RECOMMENDATIONS,
    ITEM_BIASES,
    ITEM_FACTORS,
    ITEMS,
    METRICS,
    RECOMMENDATIONS,
    SIMILAR_ITEMS,
    SOURCES,
    USER_BIASES,
    USER_FACTORS,
    Table,
)
from data.settings import OWN_ITEM_COLUMNS
from data.snapshot import Snapshot
from data.tables import write_table
from models.parameters import Parameters, Side
from models.ratings import RowLists
from models.scoring import TopBlock, n_common_users, similar_items, top_n
from tasks.night import Night
from tasks.tensors import all_ratings


class TableWriter:
    """Writes every table of a run into its folder, in the order of the ids."""

    def __init__(self, folder: Path, snapshot: Snapshot, parameters: Parameters, night: Night) -> None:
        self.folder, self.snapshot, self.parameters, self.night = folder, snapshot, parameters, night
        self.settings = night.settings
        self.users, self.items = snapshot.users(), snapshot.items()
        self.rated = self.items.head(snapshot.n_items)
        self.features = [name for name in self.items.columns if name not in OWN_ITEM_COLUMNS]
        # The order of the files: by id. Codes put the core first.
        self.user_order = self.users["user_id"].arg_sort().cast(pl.Int64).to_torch()
        self.item_order = self.rated["item_id"].arg_sort().cast(pl.Int64).to_torch()

    def write_all(self) -> dict[str, int]:
        """Every table; returns the rows of each."""
        ratings = all_ratings(self.snapshot)
        seen, raters = ratings.by_user(), ratings.by_item()
        metrics = pl.DataFrame(self.night.attempt.metrics).sort("model", "split", "metric")
        return dict(
            [
                self._write(RECOMMENDATIONS, self._recommendations(seen)),
                self._write(DEFAULT_RECOMMENDATIONS, self._default_recommendations()),
                self._write(SIMILAR_ITEMS, self._similar_items(raters)),
                self._write(ITEM_BIASES, [_biases(self.rated, self.parameters.items)[self.item_order.numpy()]]),
                self._write(USER_BIASES, [_biases(self.users, self.parameters.users)[self.user_order.numpy()]]),
                self._write(
                    ITEM_FACTORS, [_factors(self.rated, "item_id", self.parameters.items)[self.item_order.numpy()]]
                ),
                self._write(
                    USER_FACTORS, [_factors(self.users, "user_id", self.parameters.users)[self.user_order.numpy()]]
                ),
                self._write(ITEMS, [self._all_items()]),
                self._write(METRICS, [metrics]),
            ]
        )

    def _write(self, table: Table, frames: Iterable[pl.DataFrame]) -> tuple[str, int]:
        extra = self.features if table is ITEMS else ()
        n_factors = self.parameters.user_factors.shape[1]
        n_rows = write_table(
            self.folder, table, self.settings.source.ids, self.snapshot.hash, frames, n_factors=n_factors, extra=extra
        )
        return table.name, n_rows

    def _recommendations(self, seen: RowLists) -> Iterator[pl.DataFrame]:
        """Blocks of users in the order of their ids, so that whole rows of scores are never kept."""
        sources = self._sources(seen)
        blocks = top_n(
            self.parameters, self.user_order, seen, self.settings.publish.top_n, self.settings.publish.block_users
        )
        done = 0
        for block in blocks:
            done += len(block.user_code)
            self.night.listener.progress("publish", done, self.users.height, "users scored")
            lists = self._list_frame(block)
            position = lists["position"]
            users = block.user_code.numpy()[position.to_numpy()]
            yield lists.drop("position").with_columns(
                self.users["user_id"].gather(users), sources.gather(users).alias("source")
            )

    def _sources(self, seen: RowLists) -> pl.Series:
        """Per user code: model in the core; fold_in with a rating of an item that core users rated; else bias."""
        in_core = self.users["in_core"].to_torch()
        by_core_users = torch.zeros(self.snapshot.n_items, dtype=torch.bool)
        position, entry = seen.entries_of(torch.arange(self.snapshot.n_core_users))
        by_core_users[seen.code[entry]] = True
        position, entry = seen.entries_of(torch.arange(seen.n_rows))
        informed = torch.bincount(position[by_core_users[seen.code[entry]]], minlength=seen.n_rows) > 0
        kind = torch.where(in_core, 0, torch.where(informed, 1, 2))
        return pl.Series(SOURCES).gather(kind.numpy())

    def _default_recommendations(self) -> Iterator[pl.DataFrame]:
        average = self.parameters.with_users(self.parameters.users.mean())
        nothing = RowLists(torch.zeros(2, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
        for block in top_n(average, torch.zeros(1, dtype=torch.int64), nothing, self.settings.publish.top_n):
            yield self._list_frame(block)

    def _list_frame(self, block: TopBlock) -> pl.DataFrame:
        """A block of lists as rows: position (of the list in the block), rank, item_id, score, predicted_rating."""
        n_lists, length = block.item_code.shape
        rank = torch.arange(length).expand(n_lists, length)
        valid = rank < block.n_valid.unsqueeze(1)
        score = block.score[valid]
        scale = self.settings.source.scale
        predicted = self.parameters.to_rating(score).clamp(scale.min, scale.max)
        position = torch.arange(n_lists).unsqueeze(1).expand(n_lists, length)
        return pl.DataFrame(
            {
                "position": position[valid].numpy(),
                "rank": (rank[valid] + 1).numpy(),
                "item_id": self.rated["item_id"].gather(block.item_code[valid].numpy()),
                "score": score.numpy(),
                "predicted_rating": predicted.numpy(),
            }
        )

    def _similar_items(self, raters: RowLists) -> Iterator[pl.DataFrame]:
        """Neighbours within the core: outside it factors say too little."""
        n_core = self.snapshot.n_core_items
        codes, similarity = similar_items(self.parameters.item_factors[:n_core], self.settings.publish.n_similar)
        order = self.item_order[self.item_order < n_core]
        n_each = codes.shape[1]
        item, other = order.repeat_interleave(n_each), codes[order].reshape(-1)
        ids = self.rated["item_id"]
        yield pl.DataFrame(
            {
                "item_id": ids.gather(item.numpy()),
                "rank": torch.arange(1, n_each + 1).repeat(len(order)).numpy(),
                "similar_item_id": ids.gather(other.numpy()),
                "similarity": similarity[order].reshape(-1).numpy(),
                "n_common_users": n_common_users(item, other, raters).numpy(),
            }
        )

    def _all_items(self) -> pl.DataFrame:
        return self.items.select("item_id", "title", *self.features).sort("item_id")


def _biases(table: pl.DataFrame, side: Side) -> pl.DataFrame:
    return table.with_columns(pl.Series("bias", side.bias.numpy()))


def _factors(table: pl.DataFrame, key: str, side: Side) -> pl.DataFrame:
    return table.select(key).with_columns(pl.Series("factors", side.factors.numpy()))
