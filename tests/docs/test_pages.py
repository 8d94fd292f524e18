"""The pages themselves: commands that run as pasted, links that lead somewhere, nothing of one machine in any file."""

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.docs.pages import ROOT, files, page, pages, rows, typed

QUICK = re.compile(r"overnight (status|show|similar|query|predict|init|run --dry-run)\b(?!.*--home)|printf|cat ")
FOLDERS_OF_MACHINES = re.compile(rb"(?<![\w.])/(?:work|tmp|root|Users|home/\w+)/")


def quick(name: str) -> list[str]:
    return [line for line in typed(page(name)) if QUICK.match(line)]


@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("name", ["README.md", "docs/commands.md"])
def test_the_quick_commands_run_as_pasted(name: str, shell: Callable[[str], "CompletedProcess[str]"]) -> None:
    lines = quick(name)
    assert {"show", "similar", "query", "predict", "init"} <= {
        line.split()[1] for line in lines if line.startswith("overnight")
    }
    shell("rm -f shop.toml")  # the other page's
    for line in lines:
        done = shell(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_the_readme_has_the_two_commands_and_what_must_be_said() -> None:
    readme = page("README.md")
    assert typed(readme)[:2] == ["make run", "make test"]
    for words in (
        "## When not to use it",
        "## Every night",
        "## Your own data",
        "not for commercial",
        "measured on 2 cores",
    ):
        assert words in readme


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", path.read_text("utf-8")):
        if target[0].startswith(("http:", "https:", "mailto:")):
            continue
        aim = path if not target[0] else path.parent / target[0]
        assert aim.is_file(), target
        titles = re.findall(r"^#+ (.+)$", aim.read_text("utf-8"), re.M)
        headings = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
        assert not target[1] or target[1][1:] in headings, target


def test_every_decision_is_listed_and_has_the_form() -> None:
    folder = ROOT / "docs/decisions"
    decisions = sorted(path.name for path in folder.glob("0*.md"))
    linked = re.findall(r"\]\((0[^)]+)\)", (folder / "README.md").read_text("utf-8"))
    assert linked == decisions
    for name in decisions:
        text = (folder / name).read_text("utf-8")
        assert text.startswith(f"# {name[:4]}: ")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.M) == ["Context", "Decision", "Evidence", "Consequence"]


def test_every_reason_of_the_quarantine_is_documented() -> None:
    reasons = re.findall(r"then '(\w+)'", (ROOT / "data/contract.py").read_text("utf-8"))
    assert len(reasons) >= 10
    assert all(f"`{reason}`" in page("docs/how-it-works.md") for reason in reasons)


def test_the_refusals_of_the_operations_page_occur_in_the_program() -> None:
    """Of each message in the table, its longest fixed part stands in the code, or is put together there."""
    modules = [path for folder in ("data", "tasks", "models") for path in (ROOT / folder).glob("*.py")]
    program = " ".join(path.read_text("utf-8") for path in modules)
    program = re.sub(r'"\s*\n\s*f?"', "", program)
    for cells in rows(page("docs/operations.md"), "the message says"):
        for message in re.findall(r"`([^`]+)`", cells[0]):
            longest = max(message.split("…"), key=len).strip(" :(),")
            assert longest in program, message


def test_no_file_names_a_machine() -> None:
    named = [str(path.relative_to(ROOT)) for path in files() if FOLDERS_OF_MACHINES.search(path.read_bytes())]
    assert not named
