"""The composition of the steps, for both ways of running: plain calls without Prefect, tasks inside a flow run."""

from tasks.filter_density import filter_density
from tasks.hand_over import hand_over
from tasks.ingest import ingest
from tasks.judge import judge_model
from tasks.night import Night
from tasks.publish import publish
from tasks.stages import values_of
from tasks.train_model import train_model
from tasks.validate import validate


def nightly_corridor(night: Night) -> None:
    """One direction, one thing per step; what crosses is a path and a hash. A step that says no ends the night."""
    ingest(night)
    validate(night)
    core = filter_density(night)
    model = hand_over(night, core) if night.settings.train.deployment else train_model(night, core)
    judge_model(night, core, model)
    publish(night, core, model)


def ingest_corridor(night: Night) -> None:
    """New files in, with a verdict that is final."""
    ingest(night)
    validate(night)


def train_corridor(night: Night) -> None:
    """From the accepted ratings to a model folder that waits for `publish_corridor`."""
    core = filter_density(night)
    hand_over(night, core) if night.settings.train.deployment else train_model(night, core)


def publish_corridor(night: Night) -> None:
    """The model of an earlier `train_corridor`, judged and published."""
    core, model = values_of(night, "filter_density"), values_of(night, "train_model", "hand_over")
    judge_model(night, core, model)
    publish(night, core, model)
