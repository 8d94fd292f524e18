"""The training flow of a GPU worker: a snapshot by path and hash in, a sealed model folder out."""

from typing import Any

from prefect import flow

from flows.reporting import FlowLog, concluded
from tasks.remote_training import train_remotely


@flow(name="train", timeout_seconds=6 * 3600, persist_result=False)
def train(request: str, request_hash: str) -> Any:
    """Train what the request file says; the parent reads the sealed model folder.

    request         path of the JSON that the nightly wrote: snapshot, its hash, settings, and the model's folder
    request_hash    SHA-256 of that file
    """
    return concluded(train_remotely(request, request_hash, FlowLog()))
