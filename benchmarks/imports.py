"""What ``import oversmooth`` costs beside ``import torch``: whole processes, in turn."""

import subprocess
import sys
from functools import partial

from pairs import ratio, report


def process(module):
    """Start Python, import one module, leave."""
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def main():
    """Report the ratio."""
    values = ratio(partial(process, "torch"), partial(process, "oversmooth"), pairs=5, warmup=1)
    report("import", "oversmooth", "time in import torch", values, "≤ 1.3")


if __name__ == "__main__":
    main()
