"""Reading our own documentation: tables, blocks of code, links."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> str:
    """The text of a page by its path in the checkout."""
    return (ROOT / name).read_text("utf-8")


def sections(text: str, heading: str) -> dict[str, str]:
    """The parts under headings of one level, by their titles without backticks."""
    parts = re.split(rf"^{heading} (.+)$", text, flags=re.MULTILINE)
    return {title.replace("`", "").strip(): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def rows(text: str, first_column: str) -> list[list[str]]:
    """The cells of every table whose first column has this name, without the head; `code` marks are left in."""
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        cells = _cells(line)
        if cells and cells[0] == first_column:
            inside = True
        elif not cells:
            inside = False
        elif inside and set(cells[0]) != {"-"}:
            found.append(cells)
    return found


def _cells(line: str) -> list[str]:
    if not line.startswith("|"):
        return []
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code(cell: str) -> str:
    """What stands between the backticks of a cell."""
    return cell.removeprefix("`").removesuffix("`")


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code in one language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)


def typed(text: str) -> list[str]:
    """What a person types in the console blocks of a page."""
    lines = [line for block in blocks(text, "console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def files() -> list[Path]:
    """Every file that is or would be in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def pages() -> list[Path]:
    """Every page of Markdown."""
    return [path for path in files() if path.suffix == ".md"]
