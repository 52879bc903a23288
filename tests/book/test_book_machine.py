"""What a record says of a machine: it follows the process that asks, and names nobody."""

import getpass
import json
import os
import platform
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

from oversmooth_book.book.machine import SETTINGS, _named, machine

WORDS = {
    "cores", "system", "processor", "model", "instruction set", "torch BLAS", "torch threads", "NumPy BLAS",
    "NumPy threads", "NumPy instruction set", "libm", "settings",
}  # fmt: skip
TELL = "import json; from oversmooth_book.book.machine import machine; print(json.dumps(machine()))"


def elsewhere(**settings):
    """What a process of these settings says, and of no others."""
    quiet = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", TELL]
    done = subprocess.run(command, env={**quiet, **threads, **settings}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def plain():
    return elsewhere()


def test_it_is_flat_and_complete(plain):
    assert set(plain) - {"SciPy BLAS"} == WORDS
    assert all(isinstance(value, (str, int)) for value in plain.values())
    assert all(plain[word] for word in WORDS - {"settings"}) and plain["settings"] == ""
    assert "unknown" not in plain.values()


def test_it_says_what_the_libraries_say():
    found = machine()
    assert found["instruction set"] == torch.backends.cpu.get_cpu_capability()
    assert found["torch threads"] == torch.get_num_threads()
    assert found["torch BLAS"].split()[0] in torch.__config__.show()
    features = numpy._core._multiarray_umath.__cpu_features__
    assert features[found["NumPy instruction set"]]
    assert found["cores"] == os.cpu_count() and found["processor"] == platform.machine()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these kernels are those of x86")
def test_it_follows_the_settings_of_the_process(plain):
    if "openblas" not in plain["NumPy BLAS"]:
        pytest.skip(f"NumPy computes with {plain['NumPy BLAS']}, whose kernel no variable chooses")
    for kernel in ("Haswell", "Nehalem"):  # one of them is not this processor's own
        settings = {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": kernel, "OMP_NUM_THREADS": "1"}
        found = elsewhere(**settings, OPENBLAS_NUM_THREADS="1", OVERSMOOTH_ROUNDING="0")
        assert found["instruction set"] == "DEFAULT" and found["torch threads"] == found["NumPy threads"] == 1
        assert found["NumPy BLAS"] == " ".join([*plain["NumPy BLAS"].split()[:-1], kernel])
        rest = f"OPENBLAS_CORETYPE={kernel}, OVERSMOOTH_ROUNDING=0"
        assert found["settings"] == f"ATEN_CPU_CAPABILITY=default, {rest}"
        same = ("cores", "system", "processor", "model", "torch BLAS", "libm")
        assert all(found[word] == plain[word] for word in same)
    assert plain["torch threads"] == 2 and plain["NumPy threads"] == min(2, os.cpu_count())


def test_it_names_no_user_host_or_folder(plain):
    said = json.dumps([plain, elsewhere(MKL_CBWR="/home/somebody/x", GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX2_Usable")])
    for name in (str(Path.home()), getpass.getuser(), socket.gethostname(), str(Path.cwd()), sys.prefix):
        assert len(name) < 2 or not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said), name
    assert not re.search(r"/\w+/|somebody", said)
    assert "MKL_CBWR=(not shown)" in said and "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2_Usable" in said


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="Linux tells of the processor there")
def test_the_model_is_that_of_the_system(plain):
    text = Path("/proc/cpuinfo").read_text()
    for words in plain["model"].split(", "):
        value = re.sub(r"^(family|model|implementer|part) (?=\S+$)", "", words)
        assert re.search(rf"(?m):\s*{re.escape(value)}\s*$", text) or value in text, words


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n"
            "model name\t: Intel(R) Xeon(R) CPU @ 2.00GHz\nstepping\t: 3\n",
            "Intel(R) Xeon(R) CPU @ 2.00GHz, family 6, model 85",
        ),
        (
            "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
            "CPU variant\t: 0x3\nCPU part\t: 0xd0c\n",
            "implementer 0x41, part 0xd0c",
        ),
    ],
)
def test_the_model_of_other_processors(text, model):
    assert _named(text) == model
