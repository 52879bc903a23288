"""How much memory is free, and a refusal of what would not fit, before it is begun."""

from __future__ import annotations

from pathlib import Path

import torch

_GIB = 2**30
_SMALL = _GIB // 4  # below this nobody asks: reading the system's files takes longer than a small pass
_MEMINFO = Path("/proc/meminfo")
# A container's limit, what it uses, and the part of that which the system gives back when asked.
_GROUP = Path("/sys/fs/cgroup")


def require_memory(needed: int, device: torch.device, what: str, instead: str) -> None:
    """Refuse what would not fit; where the system does not say how much is free, nothing is refused.

    Args:
        needed: bytes.
        device: where they will lie.
        what: what takes them, the beginning of a sentence.
        instead: what to do instead.

    Raises:
        MemoryError: more than is free.
    """
    free = None if needed < _SMALL else free_memory(device)
    if free is not None and needed > free:
        raise MemoryError(f"{what} {needed / _GIB:.1f} GiB, and {max(free, 0) / _GIB:.1f} GiB are free: {instead}")


def free_memory(device: torch.device) -> int | None:
    """Bytes that this process may still take on a device, or None where nothing says so."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type != "cpu":
        return None
    return min((found for found in (_of_the_machine(), _of_the_group()) if found is not None), default=None)


def _of_the_machine():
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _of_the_group():
    try:
        limit, used = (int((_GROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        parts = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
        return limit - used + int(parts["inactive_file"])
    except (OSError, KeyError, ValueError):  # no limit reads "max"
        return None
