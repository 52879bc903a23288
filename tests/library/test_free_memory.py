"""What would not fit into memory is refused before it is begun, with what to do instead."""

import psutil
import pytest
import torch

from oversmooth import Network, _memory, trace


class Mean:
    """Averaging over all nodes, which needs no matrix."""

    num_nodes = 10_000_000

    def __matmul__(self, signal):
        return signal.mean(-2, keepdim=True).expand_as(signal).clone()

    adjoint = __matmul__


def test_a_pass_that_would_not_fit():
    """Four signals of 10⁷ nodes and 4096 columns, 610 GiB, on any machine that runs these tests."""
    network = Network(Mean(), [1, 4096, 4096, 1], init="glorot", dtype=torch.float32)
    needed = r"take 610.4 GiB, and [0-9.]+ GiB are free: oversmooth.streamed_profile"
    with pytest.raises(MemoryError, match=needed):
        trace(network, torch.zeros(Mean.num_nodes, 1), lambda output: output.sum())


def test_what_is_free_is_what_the_system_says(tmp_path, monkeypatch):
    cpu = torch.device("cpu")
    assert 0 < _memory.free_memory(cpu) <= psutil.virtual_memory().total
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:   5000 kB\n")
    monkeypatch.setattr(_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(_memory, "_GROUP", tmp_path)
    assert _memory.free_memory(cpu) == 5000 * 1024
    for name, text in {"max": "3000000", "current": "2500000", "stat": "anon 7\ninactive_file 400000"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert _memory.free_memory(cpu) == 900_000
    (tmp_path / "memory.max").write_text("max\n")
    assert _memory.free_memory(cpu) == 5000 * 1024
    (tmp_path / "meminfo").unlink()
    assert _memory.free_memory(cpu) is None and _memory.free_memory(torch.device("meta")) is None
    _memory.require_memory(2**60, cpu, "it takes", "wait")  # where nobody says, nothing is refused


def test_small_passes_do_not_ask(monkeypatch):
    monkeypatch.setattr(_memory, "free_memory", lambda device: 0)
    _memory.require_memory(2**20, torch.device("cpu"), "it takes", "wait")
    with pytest.raises(MemoryError, match=r"it takes 1.0 GiB, and 0.0 GiB are free: wait"):
        _memory.require_memory(2**30, torch.device("cpu"), "it takes", "wait")
