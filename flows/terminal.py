"""What a person sees in a terminal: a line a stage, a bar for long work, tables for answers."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True, highlight=False)


class TerminalLog:
    """A listener that prints a line a stage, and where somebody is looking a bar with rate and time left."""

    def __init__(self) -> None:
        self.bar: Progress | None = None
        self.task: TaskID | None = None

    def stage_started(self, name: str) -> None:
        self._close()

    def stage_ended(self, name: str, seconds: float, message: str, ok: bool) -> None:
        self._close()
        mark = "[green]✓[/]" if ok else "[red]✗[/]"
        err.print(f"{mark} [bold]{name:<15}[/] {seconds:6.1f} s  ", end="")
        err.print(message if ok else "", markup=False)

    def progress(self, name: str, done: int, total: int, detail: str) -> None:
        if not err.is_terminal:
            return
        if self.bar is None or self.task is None:
            columns = (
                TextColumn("{task.fields[stage]:<15}"),
                BarColumn(24),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
            )
            self.bar = Progress(*columns, console=err, transient=True)
            self.task = self.bar.add_task(detail, total=total, stage=name)
            self.bar.start()
        self.bar.update(self.task, completed=done, total=total, description=detail)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
        self.bar = self.task = None


def say(message: str) -> None:
    """A line for the person, not for a program."""
    err.print(message, markup=False)


def print_json(value: Any) -> None:
    """An answer for a program."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """An answer for a person; numbers to the right."""
    rows = [list(row) for row in rows]
    named = any(columns)
    table = Table(
        title=title or None, title_justify="left", header_style="bold", pad_edge=False, box=None, show_header=named
    )
    for index, name in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    out.print(table)


def _text(cell: Any) -> str:
    if isinstance(cell, bool) or cell is None:
        return {True: "yes", False: "no", None: "–"}[cell]
    if isinstance(cell, int):
        return f"{cell:,}"
    text = f"{cell:.3f}" if isinstance(cell, float) else str(cell)
    return text.replace("[", r"\[")
