"""Training on another machine: what the nightly asks for, and how the worker answers; no warehouse there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.atomic import read_json, sha256, write_json
from data.attempt import Outcome
from data.errors import DONE, MachineError
from data.settings import Settings
from tasks.night import Listener, outcome_of


@dataclass(frozen=True)
class TrainingRequest:
    """Everything a worker needs, as paths on storage that both machines see."""

    snapshot: str
    snapshot_hash: str
    model: str
    settings: dict[str, Any]

    def write(self, path: Path) -> str:
        """Write the request; returns the hash of the file."""
        write_json(path, self.__dict__)
        return sha256(path)


def train_remotely(request: str, request_hash: str, listener: Listener) -> Outcome:
    """Verify the request, train, and leave the facts beside the model as <model>.result.json."""
    try:
        path = Path(request)
        if sha256(path) != request_hash:
            raise MachineError(
                f"{path.name}: the request does not have the hash it was sent with. Nothing was trained. "
                "Check the shared storage, then run the night again."
            )
        return _train(TrainingRequest(**read_json(path)), listener)
    except Exception as error:
        return outcome_of(error)


def result_path(model: Path) -> Path:
    """Where the worker leaves its facts."""
    return model.with_name(f"{model.name}.result.json")


def _train(request: TrainingRequest, listener: Listener) -> Outcome:
    from tasks.train_model import train_snapshot

    def progress(done: int, total: int, detail: str) -> None:
        listener.progress("train", done, total, detail)

    settings = Settings.model_validate(request.settings)
    facts = train_snapshot(Path(request.snapshot), request.snapshot_hash, settings, Path(request.model), progress)
    write_json(result_path(Path(request.model)), facts)
    return Outcome(DONE, "done", f"trained in {facts['seconds']:.1f} s on {facts['device']}")
