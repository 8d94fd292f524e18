"""A step: a plain function that is a Prefect task inside a flow run, and is recorded in the attempt either way."""

import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec

from data.attempt import Outcome, Stage
from data.errors import DONE, MachineError
from tasks.night import Night, NightEnded, is_machine_error, outcome_of

P = ParamSpec("P")
Values = dict[str, Any]
_RETRY_DELAYS_SECONDS = [10.0, 60.0]  # a network or a full disk may recover; refused data do not


@dataclass(frozen=True)
class StepResult:
    """What a step says when it is done: one line, and the facts that later steps need: paths, hashes, numbers."""

    message: str
    values: Values = field(default_factory=dict)
    ends_night: bool = False  # all is well and there is nothing more to do


def step(function: Callable[Concatenate[Night, P], StepResult]) -> Callable[Concatenate[Night, P], Values]:
    """Make a function a step: its stage is recorded, and it is a Prefect task where there is a flow run."""
    name = function.__name__

    def run_step(night: Night, /, *args: P.args, **kwargs: P.kwargs) -> Values:
        def recorded() -> StepResult:
            return _recorded(night, name, lambda: function(night, *args, **kwargs))

        result = _as_task(name, recorded) if in_flow_run() else recorded()
        if result.ends_night:
            raise NightEnded(result.message)
        return result.values

    return functools.update_wrapper(run_step, function)


def in_flow_run() -> bool:
    """Whether a Prefect flow run is around us; never loads Prefect to find out."""
    if "prefect" not in sys.modules:
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def _recorded(night: Night, name: str, call: Callable[[], StepResult]) -> StepResult:
    started = time.monotonic()
    night.listener.stage_started(name)
    try:
        result = call()
    except Exception as error:
        _add(night, name, started, outcome_of(error), {})
        raise
    _add(night, name, started, Outcome(DONE, "done", result.message), result.values)
    return result


def _add(night: Night, name: str, started: float, outcome: Outcome, values: Values) -> None:
    seconds = round(time.monotonic() - started, 3)
    night.attempt.add(Stage(name, seconds, outcome, values))
    night.listener.stage_ended(name, seconds, outcome.message, outcome.ok)


def _as_task(name: str, recorded: Callable[[], StepResult]) -> StepResult:
    """Run as a Prefect task: machine errors are retried, a refusal is a failed task with a sentence, no traceback."""
    from prefect import task
    from prefect.cache_policies import NO_CACHE
    from prefect.states import Failed

    refusals: list[Exception] = []

    def run() -> Any:
        try:
            return recorded()
        except Exception as error:
            if isinstance(error, MachineError) or is_machine_error(error):
                raise
            refusals.append(error)
            return Failed(message=outcome_of(error).message)

    as_task = task(
        name=name,
        retries=len(_RETRY_DELAYS_SECONDS),
        retry_delay_seconds=_RETRY_DELAYS_SECONDS,
        retry_condition_fn=lambda *_: not refusals,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    state = as_task(run)(return_state=True)
    if refusals:
        raise refusals[0]
    result = state.result()
    assert isinstance(result, StepResult)
    return result
