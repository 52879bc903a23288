"""The whole book run by its machinery against the same experiments run as plain functions in one process.

The machinery starts kernels, watches them, draws the figures, checks and cleans the notebooks and moves them into
place; the plain script holds the same cells, chapter after chapter, without those that draw. Both at the published
size, on a clone, so that nothing of this checkout changes. This takes twice as long as the book.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from pairs import report, seconds

from oversmooth_book.profiles import missing_graphs, read_profiles

ROOT = Path(__file__).resolve().parent.parent
PLAIN = "import runpy, sys\nfor script in sys.argv[1:]: runpy.run_path(script)"


def run(clone, *command):
    """One process in the clone, quiet, with the kernels' settings of threads."""
    environment = os.environ | {"PYTHONPATH": str(clone / "src"), "MPLBACKEND": "Agg", "OMP_WAIT_POLICY": "PASSIVE"}
    environment.setdefault("OVERSMOOTH_DATA", str(ROOT / "data" / "raw"))
    subprocess.run([sys.executable, *command], cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)


def plain_script(clone, chapter):
    """The chapter's code cells, without those that draw, as a script."""
    cells = json.loads((clone / "chapters" / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    cells = [c for c in cells if c["cell_type"] == "code" and "figure" not in c["metadata"].get("mystnb", {})]
    script = clone / f"plain_{chapter}.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells), encoding="utf-8")
    return script.name


def main():
    """Report the ratio."""
    profiles = read_profiles(ROOT / "chapters" / "profiles.yml")
    chapters = [name for name, chapter in profiles.items() if not missing_graphs(chapter)]
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        plain = partial(run, clone, "-c", PLAIN, *(plain_script(clone, chapter) for chapter in chapters))
        book = partial(run, clone, "-m", "oversmooth_book", "run", "--profile", "published", "--force", *chapters)
        value = seconds(book) / seconds(plain)  # one pair: each side lasts for minutes
    what = "time in its experiments as plain functions"
    report("book", f"all {len(chapters)} chapters, published size", what, (value, value, value), "≤ 1.25")


if __name__ == "__main__":
    main()
