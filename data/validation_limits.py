"""What the validation holds the ratings against: the promises of the source and the tolerance of the operator."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Limits:
    """What the source promises and the operator tolerates.

    previous_volumes   rows that each of the last nights with new rows added, newest last
    as_of              UTC, the moment against which the newest rating is old; max_age_days only ever warns
    """

    scale_min: float
    scale_max: float
    scale_step: float | None
    has_timestamps: bool
    max_quarantined_share: float
    previous_volumes: tuple[int, ...]
    min_volume_ratio: float
    max_volume_ratio: float
    min_nights_for_volume: int
    max_age_days: float | None
    as_of: datetime
