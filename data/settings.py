"""The TOML of a data source as checked settings, with the reason beside each default.

The numbers of the models have their home in `models.config`; everything else has it here.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from models.config import FitConfig, GateConfig, HoldoutConfig, y_range_for

IdType = Literal["integer", "string"]
# The columns of a snapshot's tables that are always there; a feature is one beside them.
OWN_ITEM_COLUMNS = ("item_id", "item_code", "title", "in_core", "n_ratings", "mean_rating")
OWN_USER_COLUMNS = ("user_id", "user_code", "in_core", "n_ratings", "mean_rating")


class Section(BaseModel):
    """A table of the TOML: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _at_most_once(names: Sequence[str | int | None]) -> None:
    given = [name for name in names if name is not None]
    if twice := [name for name in given if given.count(name) > 1]:
        raise ValueError(f"column {twice[0]!r} is named twice")


def _check_features(features: Sequence[str | int], reserved: Sequence[str]) -> None:
    """Features become columns of the snapshot and of the published table, so they may not be one of ours."""
    _at_most_once([str(name).casefold() for name in features])
    if taken := [name for name in features if str(name).casefold() in reserved]:
        raise ValueError(
            f"features: {taken[0]!r} is the name of a column of ours; give its position instead, or leave it out"
        )


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class RatingColumns(Section):
    """Where a rating's fields stand: names of the header, or positions from 1."""

    user: str | int
    item: str | int
    rating: str | int
    timestamp: str | int | None = None

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        _at_most_once(list(self.model_dump().values()))
        return self


class ItemColumns(Section):
    """Where an item's fields stand; `features` are published as given."""

    item: str | int
    title: str | int | None = None
    features: list[str | int] = []

    @model_validator(mode="after")
    def _features_have_names_of_their_own(self) -> Self:
        _check_features(self.features, OWN_ITEM_COLUMNS)
        return self


class UserColumns(Section):
    """Where a user's fields stand."""

    user: str | int
    features: list[str | int] = []

    @model_validator(mode="after")
    def _features_have_names_of_their_own(self) -> Self:
        _check_features(self.features, OWN_USER_COLUMNS)
        return self


class FileFormat(Section):
    """What a text or Parquet file looks like."""

    format: Literal["csv", "parquet"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=4)] = ","
    header: bool = True
    encoding: Literal["utf-8", "latin-1"] = "utf-8"

    @field_validator("delimiter")
    @classmethod
    def _can_stand_in_a_line(cls, delimiter: str) -> str:
        if set(delimiter) & set('"\r\n\0'):
            raise ValueError("a delimiter cannot hold a quote, a line end or NUL")
        return delimiter


class ItemsSource(FileFormat):
    """The item file: titles and features."""

    path: str
    columns: ItemColumns


class UsersSource(FileFormat):
    """The user file."""

    path: str
    columns: UserColumns


class IdTypes(Section):
    """The type of each id; published ids have it."""

    user: IdType = "integer"
    item: IdType = "integer"


class Scale(Section):
    """The rating scale: min..max, in steps where there are any."""

    min: float
    max: float
    step: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _has_width(self) -> Self:
        if not self.min < self.max:
            raise ValueError(
                f"min {self.min:g} must lie below max {self.max:g}; a scale with one value cannot be learned"
            )
        n_steps = (self.max - self.min) / (self.step or 1)
        if self.step is not None and abs(n_steps - round(n_steps)) > 1e-6:
            raise ValueError(
                f"steps of {self.step:g} from {self.min:g} do not reach {self.max:g}; correct step, or leave it out"
            )
        return self


def _spread_ids(value: Any) -> Any:
    return {"user": value, "item": value} if isinstance(value, str) else value


class SourceSettings(FileFormat):
    """What the rating files look like: the contract each row is held against."""

    ratings: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]
    columns: RatingColumns
    ids: Annotated[IdTypes, BeforeValidator(_spread_ids)] = IdTypes()
    scale: Scale
    timestamp_unit: Literal["s", "ms", "us", "iso"] = "s"
    # A file whose last line has no newline may have been cut while it was written.
    final_newline: Literal["required", "optional"] = "required"
    items: ItemsSource | None = None
    users: UsersSource | None = None

    @model_validator(mode="after")
    def _columns_can_be_found(self) -> Self:
        for name, value in self.columns.model_dump().items():
            if isinstance(value, str) and self.format == "csv" and not self.header:
                raise ValueError(f"columns.{name} is a name but header = false; give positions 1..n")
        return self

    def contract(self) -> dict[str, Any]:
        """What may not change once ratings are loaded: another contract needs another home."""
        return {
            "ids": self.ids.model_dump(),
            "scale": self.scale.model_dump(),
            "timestamps": self.columns.timestamp is not None,
        }


class ValidateSettings(Section):
    """Limits of the validation."""

    # A per mille of bad rows is a bad day at the source; more is a broken export.
    max_quarantined_share: Annotated[float, Field(ge=0, le=1)] = 0.001
    # Rows of a night against the median of the last nights: outside these an export was cut or doubled.
    min_volume_ratio: Annotated[float, Field(ge=0)] = 0.1
    max_volume_ratio: Annotated[float, Field(gt=0)] = 10.0
    min_nights_for_volume: Annotated[int, Field(ge=1)] = 3  # a median of fewer says nothing
    max_age_days: Annotated[float, Field(gt=0)] | None = None  # warns when the newest rating is older


class DensitySettings(Section):
    """The dense core: everybody in it has at least so many ratings in it."""

    # Below five ratings factors are noise; who falls out is folded in, so nobody loses their list.
    min_ratings_per_user: Annotated[int, Field(ge=1)] = 5
    min_ratings_per_item: Annotated[int, Field(ge=1)] = 5
    target_density: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_count = {"min_ratings_per_user", "min_ratings_per_item"} & self.model_fields_set
        if self.target_density is not None and by_count:
            raise ValueError(f"target_density finds the counts itself; leave out {' and '.join(sorted(by_count))}")
        return self


class TrainSettings(Section):
    """How the model is trained; the defaults stand in models/config.py with their reasons."""

    model: Literal["biased-mf"] = "biased-mf"
    n_factors: Annotated[int, Field(ge=1, le=1024)] = FitConfig.n_factors
    n_models: Annotated[int, Field(ge=1, le=16)] = FitConfig.n_models
    min_factors_per_model: Annotated[int, Field(ge=1)] = FitConfig.min_factors_per_model
    y_range: Literal["auto"] | tuple[float, float] = "auto"
    epochs: Annotated[int, Field(ge=1)] = FitConfig.epochs
    batch_size: Annotated[int, Field(ge=0)] = FitConfig.batch_size
    learning_rate: Annotated[float, Field(gt=0)] = FitConfig.learning_rate
    weight_decay: Annotated[float, Field(ge=0)] = FitConfig.weight_decay
    seed: Annotated[int, Field(ge=0)] = FitConfig.seed
    holdout_share: Annotated[float, Field(gt=0, lt=0.5)] = HoldoutConfig.share
    golden_share: Annotated[float, Field(ge=0, lt=0.5)] = HoldoutConfig.golden_share
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    deployment: str = ""  # "" trains in this process; "train/gpu" hands over to that Prefect deployment
    deployment_timeout_seconds: Annotated[int, Field(ge=1)] = 6 * 3600  # a night has not more than that to give

    def fit_config(self, scale: Scale) -> FitConfig:
        """The model's own configuration for this scale."""
        y_range = y_range_for(scale.min, scale.max) if self.y_range == "auto" else self.y_range
        return FitConfig(
            n_factors=self.n_factors,
            n_models=self.n_models,
            min_factors_per_model=self.min_factors_per_model,
            y_range=y_range,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            seed=self.seed,
            device=self.device,
        )


class GateSettings(Section):
    """When a challenger may be published; the defaults stand in models/config.py."""

    tolerance: Annotated[float, Field(ge=0)] = GateConfig.tolerance
    chance: Annotated[float, Field(ge=0)] = GateConfig.chance
    min_new_ratings: Annotated[int, Field(ge=1)] = GateConfig.min_new_ratings

    def gate_config(self) -> GateConfig:
        """The gate's own configuration."""
        return GateConfig(tolerance=self.tolerance, chance=self.chance, min_new_ratings=self.min_new_ratings)


class PublishSettings(Section):
    """What the published tables hold and how long they are kept."""

    top_n: Annotated[int, Field(ge=1, le=10_000)] = 100
    n_similar: Annotated[int, Field(ge=1, le=1_000)] = 20
    keep_runs: Annotated[int, Field(ge=1)] = 14  # two weeks of nights to roll back to
    stale_after_hours: Annotated[float, Field(gt=0)] = 36.0  # a night missed, and half a day to notice
    block_users: Annotated[int, Field(ge=1)] = 512  # users scored at once: 512 × 59,000 items are 120 MB


class Settings(Section):
    """One data source, from its files to its published tables."""

    source: SourceSettings
    validate_: ValidateSettings = Field(ValidateSettings(), alias="validate")
    density: DensitySettings = DensitySettings()
    train: TrainSettings = TrainSettings()
    gate: GateSettings = GateSettings()
    publish: PublishSettings = PublishSettings()

    def as_json(self) -> dict[str, Any]:
        """The whole configuration as JSON, as the manifest keeps it."""
        return self.model_dump(mode="json", by_alias=True)
