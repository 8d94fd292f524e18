"""One small night that many tests read."""

from pathlib import Path

import pytest

from tests.nights import overnight, planted_lines, source


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TOML of a small source."""
    return source(tmp_path_factory.mktemp("source"), planted_lines())


@pytest.fixture(scope="session")
def small_home(small_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one published night; not to be written to."""
    home = tmp_path_factory.mktemp("published") / "home"
    answer = overnight("run", "--config", small_source, "--home", home)
    assert answer.code == 0, answer.err
    return home
