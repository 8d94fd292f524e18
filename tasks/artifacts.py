"""What a Prefect flow run shows of a night: tables in its UI. Outside a flow run there is nobody to show them to."""

from collections.abc import Sequence
from typing import Any

from tasks.step import in_flow_run


def table(key: str, rows: Sequence[dict[str, Any]], description: str) -> None:
    """A table artifact of this flow run, with the key `overnight-<key>`."""
    if not in_flow_run():
        return
    from prefect.artifacts import create_table_artifact

    create_table_artifact(key=f"overnight-{key}", table=list(rows), description=description)
