"""The checkout as it is installed: editable only, and our generic names before anybody else's."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("flows", "tasks", "data", "models")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_packages_are_listed_and_never_uploaded() -> None:
    assert PROJECT["tool"]["setuptools"]["packages"] == list(PACKAGES)
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]


def test_the_install_is_editable() -> None:
    files = [str(file) for file in metadata.distribution("overnight").files or ()]
    assert not [file for file in files if file.split("/")[0] in PACKAGES]


@pytest.mark.parametrize("package", PACKAGES)
def test_our_packages_win_over_foreign_ones_of_the_same_name(package: str, tmp_path: Path) -> None:
    foreign = tmp_path / package
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise SystemExit('a foreign package was loaded')")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", f"import {package}; print({package}.__file__)"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )
    assert run.stdout.strip() == str(ROOT / package / "__init__.py"), run.stderr


def test_the_lock_pins_everything_that_is_declared_and_nothing_that_one_machine_built() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    names = {requirement.split(">")[0].split("=")[0] for requirement in declared}
    assert names <= {name.lower().replace("_", "-") for name in pins}
    assert pins["torch"] == "2.13.0"
    assert not [version for version in pins.values() if "+" in version or "@" in version]


def test_what_is_installed_is_what_is_locked() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines() if not line.startswith("#")]
    installed = {name: metadata.version(name).split("+")[0] for name, _ in (line.split("==") for line in lines)}
    assert installed == dict(line.split("==") for line in lines)


def test_the_sample_comes_with_its_licence() -> None:
    terms = (ROOT / "data/sample/LICENSE-MOVIELENS.txt").read_text("utf-8")
    assert "redistribute the data set" in terms
    assert "commercial or revenue-bearing purposes" in terms
    readme = (ROOT / "data/sample/README.md").read_text("utf-8")
    assert "LICENSE-MOVIELENS.txt" in readme
    assert "Harper" in readme


def test_no_data_set_that_may_not_be_redistributed_is_in_the_tree() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing is tracked")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert tracked
    forbidden = {
        "u.data",
        "u.item",
        "u.user",
        "ratings.dat",
        "movies.dat",
        "users.dat",
        *(f"u{n}.base" for n in range(1, 6)),
    }
    assert not [path for path in tracked if Path(path).name in forbidden]
