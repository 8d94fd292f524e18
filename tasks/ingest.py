"""Step: new rating files into the warehouse, pending."""

from tasks.night import Night
from tasks.step import StepResult, step


@step
def ingest(night: Night) -> StepResult:
    """Load what is new; the values say how many files and ratings."""
    from data import ingest as ingestion

    def on_file(name: str, number: int, files: int) -> None:
        night.listener.progress("ingest", number - 1, files, name)

    done = ingestion.ingest(night.home, night.settings, night.now, on_file)
    n_records = sum(entry.n_records for entry in done.entries)
    n_quarantined = sum(entry.n_quarantined for entry in done.entries)
    message = (
        f"{len(done.entries)} new files ({done.n_known} known), {n_records:,} records: {done.n_loaded:,} loaded, "
        f"{sum(entry.n_duplicates for entry in done.entries):,} duplicates, {n_quarantined:,} quarantined"
    )
    return StepResult(
        message, {"n_new_files": len(done.entries), "n_new_ratings": done.n_loaded, "n_quarantined": n_quarantined}
    )
