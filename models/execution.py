"""How torch runs: deterministic algorithms and threads, set for as long as they are needed; the choice of device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.errors import DeviceUnavailable


@contextmanager
def deterministic_algorithms() -> Iterator[None]:
    """Inside, torch picks deterministic algorithms; afterwards its setting is as it was, also after an error."""
    before = torch.are_deterministic_algorithms_enabled()
    warned_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned_only)


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """Inside, torch uses one thread where that is wanted; afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if wanted else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve_device(wanted: str) -> torch.device:
    """The device of that name ("cpu", "cuda", "cuda:1"); "auto" is the GPU where there is one, else the CPU.

    Raises DeviceUnavailable for a name that torch does not know or this machine does not have.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise DeviceUnavailable(
            f'The device "{wanted}" is not available here ({torch.cuda.device_count()} GPUs found). '
            'Nothing was trained. Set device to "auto" or "cpu", or run where that device is.'
        ) from error
    return device
