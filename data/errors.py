"""Every way in which Overnight says no, each with the exit code it ends the command with.

A message says what was wrong, where, how much against which limit, what is now true, and what to do.
It never holds a user id or a raw row.
"""

DONE, REFUSED, USAGE, LOCKED, STALE, MACHINE = range(6)


class OvernightError(Exception):
    """The root of the tree; `code` is the exit code of the command."""

    code = REFUSED


class DataRefused(OvernightError):
    """The ratings broke the contract or a limit; what is published stands."""


class EmptyCore(DataRefused):
    """The density filter left no ratings."""


class GateRefused(OvernightError):
    """The challenger was not good enough; what is published stands."""


class TablesUnsound(OvernightError):
    """The tables of a run failed their own checks and were not switched to."""


class UsageError(OvernightError):
    """A wrong option, setting, file or column: nothing was started."""

    code = USAGE


class HomeLocked(OvernightError):
    """Another run writes to this home."""

    code = LOCKED


class MachineError(OvernightError):
    """Disk, permission, network or a damaged file: nothing was changed."""

    code = MACHINE


def first_line(error: Exception) -> str:
    """What a library's error says; the lines after it are advice to programmers."""
    return str(error).splitlines()[0]
