"""A chapter run by the book's machinery against its experiments run as plain functions in one process.

The machinery starts a kernel, watches it, draws the figures, checks and cleans the notebook and moves it into place;
the plain script holds the same cells without those that draw. Both at the published size, on a clone, so that nothing
of this checkout changes. One chapter stands for all: what the machinery adds (some seconds) is the same for each,
and the longer ones feel it less.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from pairs import report, seconds

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "forward_oversmoothing"


def run(clone, *command):
    """One process in the clone, quiet."""
    environment = os.environ | {"PYTHONPATH": str(clone / "src"), "MPLBACKEND": "Agg"}
    environment.setdefault("OVERSMOOTH_DATA", str(ROOT / "data" / "raw"))
    subprocess.run([sys.executable, *command], cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)


def plain_script(clone):
    """The chapter's code cells, without those that draw, as a script."""
    cells = json.loads((clone / "chapters" / f"{CHAPTER}.ipynb").read_text(encoding="utf-8"))["cells"]
    cells = [c for c in cells if c["cell_type"] == "code" and "figure" not in c["metadata"].get("mystnb", {})]
    script = clone / "plain.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells), encoding="utf-8")
    return script.name


def main():
    """Report the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        plain = partial(run, clone, plain_script(clone))
        book = partial(run, clone, "-m", "oversmooth_book", "run", "--profile", "published", "--force", CHAPTER)
        value = seconds(book) / seconds(plain)  # one pair: each side lasts long enough, and the table is to be quick
    report("book", CHAPTER, "time in its experiments as plain functions", (value, value, value), "≤ 1.25")


if __name__ == "__main__":
    main()
