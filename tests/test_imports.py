"""Who may import what: left of an arrow of the corridor nobody knows what is right of it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "flows": {"flows", "tasks", "data.settings", "prefect", "typer", "rich"},
    "tasks": {"tasks", "data", "models", "prefect", "polars", "pyarrow", "torch", "optuna"},
    "data": {
        "data",
        "models.config",
        "duckdb",
        "polars",
        "pyarrow",
        "numpy",
        "great_expectations",
        "sqlalchemy",
        "pydantic",
        "filelock",
        "altair",
    },
    "models": {"models", "torch", "safetensors"},
}


def imported(source: str) -> Iterator[str]:
    """Every module that a source names in an import, at any depth; `from a import b` counts as a."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def offences(folder: str, source: str) -> list[str]:
    """The imports of a source that its folder may not have."""

    def is_allowed(module: str) -> bool:
        return module.split(".")[0] in sys.stdlib_module_names or any(
            module == name or module.startswith(f"{name}.") for name in ALLOWED[folder]
        )

    return [module for module in imported(source) if not is_allowed(module)]


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_it_may(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    assert {
        str(path.relative_to(ROOT)): found for path in files if (found := offences(folder, path.read_text("utf-8")))
    } == {}


@pytest.mark.parametrize(
    ("folder", "fault"),
    [
        ("flows", "import duckdb"),
        ("flows", "from data.errors import UsageError"),
        ("flows", "def f():\n    import torch"),
        ("tasks", "import duckdb"),
        ("data", "import torch"),
        ("data", "from prefect import flow"),
        ("data", "from models.fit import fit"),
        ("models", "import polars"),
        ("models", "import numpy"),
        ("models", "from data.home import Home"),
        ("tasks", "from flows import train"),
    ],
)
def test_a_planted_fault_is_found(folder: str, fault: str) -> None:
    assert offences(folder, fault)


def test_no_flow_is_named_like_a_module_of_the_standard_library() -> None:
    assert not {path.stem for path in (ROOT / "flows").glob("*.py")} & set(sys.stdlib_module_names)


def loaded_after(code: str) -> set[str]:
    """The top-level modules a fresh interpreter has after some code."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in run.stdout.split()}


def test_a_training_machine_needs_no_warehouse() -> None:
    assert not loaded_after("import flows.train, tasks.train_model") & {"duckdb", "great_expectations", "sqlalchemy"}


def test_status_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"from flows.command import app\napp(['status', '--home', {str(tmp_path)!r}], standalone_mode=False)"
    assert not loaded_after(code) & {"torch", "great_expectations", "prefect", "duckdb", "polars", "pyarrow", "numpy"}


def test_the_lock_is_taken_before_anything_heavy_is_loaded() -> None:
    assert not loaded_after("import flows.command, flows.walking") & {
        "torch",
        "great_expectations",
        "prefect",
        "duckdb",
        "polars",
    }
