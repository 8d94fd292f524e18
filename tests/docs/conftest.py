"""A small published night, with people and movies outside the dense core, that the examples of the docs are run on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nights import overnight, planted_lines, source

ROOT = Path(__file__).resolve().parents[2]
# One is folded in; of the other, who rated what nobody else did, a bias is all that is known.
OUTSIDE = ["901,1,4.0,1600000000", "901,5000,3.5,1600000060", "902,5001,4.5,1600000120"]
Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def docs_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one published night; not to be written to."""
    folder = tmp_path_factory.mktemp("docs")
    answer = overnight("run", "--config", source(folder, [*planted_lines(), *OUTSIDE]), "--home", folder / "home")
    assert answer.code == 0, answer.err
    return folder / "home"


@pytest.fixture(scope="session")
def shell(docs_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Runs a line as somebody would who pasted it, in a folder of their own with a rating file and a file of pairs."""
    folder = tmp_path_factory.mktemp("pasted")
    (folder / "ratings.csv").write_bytes((docs_home.parent / "inbox" / "ratings-0.csv").read_bytes())
    (folder / "pairs.csv").write_text("user_id,item_id\n1,1\n", "utf-8")
    (folder / "overnight.toml").write_bytes((docs_home.parent / "overnight.toml").read_bytes())
    (folder / "inbox").symlink_to(docs_home.parent / "inbox")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OVERNIGHT_HOME": str(docs_home), "COLUMNS": "100"}

    def run(line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return run
