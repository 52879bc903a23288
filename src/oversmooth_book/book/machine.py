"""What decides how this process rounds: the processor, the instructions in use, the libraries and their kernels.

Nothing names the machine, its user or a folder.
"""

import functools
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

# What the process of a chapter writes beside its tables; the runner moves it into the run's record.
MACHINE_FILE = "machine.json"
# Each makes a library compute by another way, or add in another order.
SETTINGS = (
    "ATEN_CPU_CAPABILITY",
    "GLIBC_TUNABLES",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OVERSMOOTH_ROUNDING",
)
# What /proc/cpuinfo says of a processor: the first line of x86, the second of ARM.
FIELDS = {
    "model name": "", "cpu family": "family ", "model": "model ",
    "CPU implementer": "implementer ", "CPU part": "part ",
}  # fmt: skip


def machine() -> dict[str, str | int]:
    """What a record says of the calling process's machine.

    Returns:
        Words to text or a number: cores, system, processor (architecture), model, instruction set (of torch's
        kernels), torch BLAS, torch threads, NumPy BLAS, NumPy threads, NumPy instruction set, libm, settings (the
        variables among ``SETTINGS`` that are set), and SciPy BLAS where it is another than NumPy's.
    """
    import numpy
    import scipy.linalg  # its BLAS is found only once it is loaded
    import torch

    numpy_blas, scipy_blas = _blas(numpy), _blas(scipy)
    return {
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
        "processor": platform.machine(),
        "model": _model(),
        "instruction set": torch.backends.cpu.get_cpu_capability(),
        "torch BLAS": _torch_blas(torch),
        "torch threads": torch.get_num_threads(),
        "NumPy BLAS": numpy_blas,
        "NumPy threads": max((pool["num_threads"] for pool in _pools(numpy)), default=1),
        "NumPy instruction set": _instructions(numpy),
        "libm": _libm(),
        "settings": ", ".join(f"{name}={_harmless(os.environ[name])}" for name in SETTINGS if name in os.environ),
    } | ({} if scipy_blas == numpy_blas else {"SciPy BLAS": scipy_blas})


def _pools(package) -> list[dict]:
    """The BLAS that came with a package, as threadpoolctl tells; else those that came with none and are shared."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in pools if _came_with(package.__name__, pool)]
    return own or [pool for pool in pools if not any(_came_with(name, pool) for name in ("numpy", "scipy", "torch"))]


def _came_with(name: str, pool: dict) -> bool:
    """Wheels carry libraries in numpy.libs beside the package or, on macOS, in numpy/.dylibs; torch in torch/lib."""
    folder, file = Path(sys.modules[name].__file__).resolve().parent, Path(pool["filepath"]).resolve()
    return file.is_relative_to(folder) or file.is_relative_to(folder.with_name(f"{name}.libs"))


def _names(pools: list[dict]) -> str:
    """Name, version and kernel of each library, such as "openblas 0.3.31 Haswell"."""
    parts = [(pool["internal_api"], pool.get("version"), pool.get("architecture")) for pool in pools]
    return ", ".join(sorted({" ".join(filter(None, part)) for part in parts}))


def _blas(package) -> str:
    """NumPy's or SciPy's; what threadpoolctl does not know, such as Apple's, as the package was built with it."""
    built = package.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return _names(_pools(package)) or f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()


def _torch_blas(torch) -> str:
    """Its wheels have MKL built in, where threadpoolctl does not see it, and torch tells the version."""
    built = torch.__config__.show()
    kind = _first(r"BLAS_INFO=(\w+)", built) or "unknown"
    loaded = [pool for pool in _pools(torch) if pool["internal_api"].startswith(kind)]
    return _names(loaded) or f"{kind} {_first(r'Math Kernel Library Version ([0-9.]+)', built)}".strip()


def _instructions(numpy) -> str:
    """The largest instruction set that NumPy's own loops were compiled for and that is in use here."""
    extensions = numpy.show_config(mode="dicts").get("SIMD Extensions", {})
    names = [*extensions.get("baseline", ()), *extensions.get("found", ())]
    return names[-1] if names else "unknown"


def _libm() -> str:
    """Exponentials and logarithms come from the system's C library."""
    name, version = platform.libc_ver()
    return f"{name} {version}".strip() or f"{platform.system()} {platform.mac_ver()[0] or platform.version()}"


@functools.cache
def _model() -> str:
    """The processor's model: makes differ in the kernels that libraries choose for them."""
    information = Path("/proc/cpuinfo")
    if information.is_file() and (named := _named(information.read_text(errors="replace"))):
        return named
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    return platform.processor() or "unknown"


def _named(text: str) -> str:
    """The model that the text of /proc/cpuinfo names first; "" if it has none of ``FIELDS``."""
    found = {words: _first(rf"(?m)^{key}[ \t]*:[ \t]*(.+)$", text) for key, words in FIELDS.items()}
    return ", ".join(words + value.strip() for words, value in found.items() if value)


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def _harmless(value: str) -> str:
    """A variable's value, unless it may be a path or a sentence."""
    return value if re.fullmatch(r"[\w.,:=+-]{1,80}", value) else "(not shown)"
