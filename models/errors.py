"""What can go wrong with a model: one tree, one clear message each."""


class ModelError(Exception):
    """Anything that models/ refuses; its message says what, where, how much, what is now true and what to do."""


class FitError(ModelError):
    """A fit cannot start, or cannot go on."""


class NoRatings(FitError):
    """There is nothing to learn from."""


class DeviceUnavailable(FitError):
    """The device that was asked for is not on this machine."""


class UnreachableRatings(FitError):
    """y_range does not cover the ratings, so no parameters could ever predict them."""


class FitDiverged(FitError):
    """The loss is not finite, or is far worse than that of an untrained model."""


class CheckpointDamaged(ModelError):
    """A checkpoint cannot be read, or does not hold what it says."""


class ScoresNotFinite(ModelError):
    """A score is NaN or infinite; an order made of such scores would be meaningless."""
