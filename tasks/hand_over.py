"""Step: the training handed to the worker of another pool, by path and hash, and its answer verified."""

from typing import Any

from data.atomic import read_json
from data.errors import DataRefused, MachineError, UsageError
from data.model_folder import verified
from tasks.night import Night
from tasks.remote_training import TrainingRequest, result_path
from tasks.step import StepResult, in_flow_run, step


@step
def hand_over(night: Night, core: dict[str, Any]) -> StepResult:
    """Run the deployment of `train.deployment` on the snapshot; the values name the model's folder and its hash."""
    deployment = night.settings.train.deployment
    if not in_flow_run():
        raise UsageError(
            f"train.deployment = {deployment!r} needs a Prefect server and this is a run without one. "
            "Nothing was trained. "
            "Start the nightly deployment, set PREFECT_API_URL, or train here with --set train.deployment=."
        )
    folder = night.home.model(night.run_id)
    request = TrainingRequest(core["folder"], core["snapshot"], str(folder), night.settings.as_json())
    path = night.attempt.folder / "training_request.json"
    _run(deployment, {"request": str(path), "request_hash": request.write(path)}, night)
    facts = read_json(result_path(folder))
    verified(folder, facts["hash"])
    from tasks.train_model import trained

    return trained(facts)


def _run(deployment: str, parameters: dict[str, str], night: Night) -> None:
    """Run the deployment to its end. On timeout run_deployment returns a state that is not final, so it is checked."""
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound

    timeout = night.settings.train.deployment_timeout_seconds
    try:
        run: Any = run_deployment(
            deployment, parameters=parameters, timeout=timeout, idempotency_key=night.run_id, as_subflow=True
        )
    except (ObjectNotFound, ValueError) as error:
        raise UsageError(
            f"train.deployment = {deployment!r} cannot be run: {error}. Nothing was trained. "
            "Deploy it with `prefect deploy --all`, or correct the name."
        ) from None
    state = run.state
    if state is None or not state.is_final():
        raise MachineError(
            f"{deployment}: no worker finished it within {timeout:,} s (state {state.name if state else 'none'}). "
            "Nothing was published. Start a worker for its pool, or raise train.deployment_timeout_seconds."
        )
    if not state.is_completed():
        raise DataRefused(f"{deployment} ended as {state.name}: {state.message}. Nothing was published.")
