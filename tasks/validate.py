"""Step: the pending files judged as a whole; from here on they count, or never."""

import dataclasses

from data.atomic import write_json, write_text
from data.errors import DataRefused, MachineError
from data.expectations import Limits
from tasks import artifacts
from tasks.night import Night
from tasks.step import StepResult, step


@step
def validate(night: Night) -> StepResult:
    """Accept or refuse the pending files; validation.json and validation.html stand in the attempt's folder."""
    from data import expectations, history, ledger
    from data.sql import transaction
    from data.validation_page import page
    from data.warehouse import opened

    ids = night.settings.source.ids
    limits = _limits(night, history.previous_volumes(night.home, ids))
    validation = expectations.validate(night.home.warehouse, limits)
    if validation.n_evaluated != validation.n_written:
        raise MachineError(
            f"validation: {validation.n_evaluated} of {validation.n_written} expectations could be evaluated. "
            "The files stay pending; what is published stands. Look for memory or disk, then run again."
        )
    document = validation.document
    write_json(night.attempt.folder / "validation.json", document)
    write_text(night.attempt.folder / "validation.html", page(document, f"Validation of {night.run_id}"))
    artifacts.table("validation", [dataclasses.asdict(check) for check in validation.checks], "The validation")
    with opened(night.home, ids) as connection:
        with transaction(connection):
            (ledger.accept_pending if validation.passed else ledger.refuse_pending)(connection)
        ledger.export(connection, night.home)
    if not validation.passed:
        raise DataRefused(
            f"validation failed: {'; '.join(validation.failures())}. The pending files were refused and nothing of "
            f"them counts; what is published stands. See {night.attempt.folder / 'validation.html'}, "
            "correct the files, then ingest again."
        )
    warned = f"; warning: {'; '.join(validation.warnings())}" if validation.warnings() else ""
    return StepResult(
        f"{validation.n_evaluated} of {validation.n_written} expectations evaluated, all that stop a run hold{warned}"
    )


def _limits(night: Night, previous_volumes: tuple[int, ...]) -> Limits:
    source, validation = night.settings.source, night.settings.validate_
    return Limits(
        scale_min=source.scale.min,
        scale_max=source.scale.max,
        scale_step=source.scale.step,
        has_timestamps=source.columns.timestamp is not None,
        max_quarantined_share=validation.max_quarantined_share,
        previous_volumes=previous_volumes,
        min_volume_ratio=validation.min_volume_ratio,
        max_volume_ratio=validation.max_volume_ratio,
        min_nights_for_volume=validation.min_nights_for_volume,
        max_age_days=validation.max_age_days,
        as_of=night.now,
    )
