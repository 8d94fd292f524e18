"""The published tables: columns, types, order and a sentence for each column (docs/tables.md is tested against it)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.settings import IdTypes

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
SOURCES = ("model", "fold_in", "bias")
_ID_TYPES = {
    "integer": "int64",
    "string": "string",
}  # Arrow's names, here and below: readers of manifests need no pyarrow


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type by name (ids take the source's), meaning, and whether it may be null."""

    name: str
    type: str
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One published table: a file, or a folder of parts."""

    name: str
    one_row_per: str
    columns: tuple[Column, ...]
    sorted_by: tuple[str, ...]
    folder: bool = False

    @property
    def path(self) -> str:
        """Where it lies in a run; for a folder, its first part."""
        return f"{self.name}/part-0.parquet" if self.folder else f"{self.name}.parquet"

    @property
    def pattern(self) -> str:
        """What readers read."""
        return f"{self.name}/*.parquet" if self.folder else f"{self.name}.parquet"


def arrow_schema(table: Table, ids: IdTypes, n_factors: int = 0, extra: Sequence[str] = ()) -> "pa.Schema":
    """The exact Arrow schema of a table; `extra` are feature columns of the source, text as given."""
    import pyarrow as pa

    ids_by_column = {"user_id": _ID_TYPES[ids.user], "item_id": _ID_TYPES[ids.item]}

    def arrow_type(kind: str) -> "pa.DataType":
        return (
            pa.list_(pa.float32(), n_factors) if kind == "factors" else pa.type_for_alias(ids_by_column.get(kind, kind))
        )

    fields = [pa.field(one.name, arrow_type(one.type), nullable=one.nullable) for one in table.columns]
    return pa.schema(fields + [pa.field(name, pa.string()) for name in extra])


_USER = Column("user_id", "user_id", "The user, with the type and spelling of the source.")
_ITEM = Column("item_id", "item_id", "The item, with the type and spelling of the source.")
_RANK = Column("rank", "int32", "Place in the list, from 1.")
_SCORE = Column("score", "float", "What orders the list, highest first; it does not compare between users.")
_PREDICTED = Column("predicted_rating", "float", "The rating the model expects, on the source's scale (clipped to it).")


def _bias_columns(side: str, other: str) -> tuple[Column, ...]:
    return (
        Column(
            "bias",
            "float",
            f"The {side}'s bias in the argument of the sigmoid; above 0 means rated higher than average.",
        ),
        Column("n_ratings", "int64", f"How many {other} the {side} has a latest rating with."),
        Column("mean_rating", "double", f"The plain mean of the {side}'s latest ratings, on the source's scale."),
        Column("in_core", "bool", f"Whether the {side} is in the dense core the factors were trained on."),
    )


RECOMMENDATIONS = Table(
    "recommendations",
    "user × rank",
    (
        _USER,
        _RANK,
        _ITEM,
        _SCORE,
        _PREDICTED,
        Column(
            "source",
            "string",
            "Where the score came from: model (in the dense core), fold_in (outside the core, solved from "
            "their ratings with the item side fixed), bias (nothing else known).",
        ),
    ),
    ("user_id", "rank"),
    folder=True,
)
DEFAULT_RECOMMENDATIONS = Table("default_recommendations", "rank", (_RANK, _ITEM, _SCORE, _PREDICTED), ("rank",))
SIMILAR_ITEMS = Table(
    "similar_items",
    "item × rank",
    (
        _ITEM,
        _RANK,
        Column("similar_item_id", "item_id", "The neighbour."),
        Column("similarity", "float", "Cosine of the two items' factors, -1..1."),
        Column("n_common_users", "int64", "How many users rated both."),
    ),
    ("item_id", "rank"),
)
ITEM_BIASES = Table("item_biases", "item", (_ITEM, *_bias_columns("item", "users")), ("item_id",))
USER_BIASES = Table("user_biases", "user", (_USER, *_bias_columns("user", "items")), ("user_id",))
ITEM_FACTORS = Table(
    "item_factors",
    "item",
    (_ITEM, Column("factors", "factors", "The item's latent factors, in the order of the model.")),
    ("item_id",),
)
USER_FACTORS = Table(
    "user_factors",
    "user",
    (_USER, Column("factors", "factors", "The user's latent factors, in the order of the model.")),
    ("user_id",),
)
ITEMS = Table(
    "items",
    "item",
    (_ITEM, Column("title", "string", "The title from the item file; null where there is none.", nullable=True)),
    ("item_id",),
)
METRICS = Table(
    "metrics",
    "metric × split × model",
    (
        Column("model", "string", "Whose figure: challenger, champion, damped_bias, global_mean or popularity."),
        Column(
            "split",
            "string",
            "On what: holdout (the newest tenth of each user's ratings), since_champion (of those, what is newer "
            "than the champion's snapshot), golden (never trained on).",
        ),
        Column("metric", "string", "rmse and mae (on the scale), n_ratings, ndcg@10 and recall@10 (0..1)."),
        Column("value", "double", "The figure."),
    ),
    ("model", "split", "metric"),
)

ALL_TABLES = (
    RECOMMENDATIONS,
    DEFAULT_RECOMMENDATIONS,
    SIMILAR_ITEMS,
    ITEM_BIASES,
    USER_BIASES,
    ITEM_FACTORS,
    USER_FACTORS,
    ITEMS,
    METRICS,
)
