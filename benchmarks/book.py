"""The whole book run by its machinery against the same experiments run as plain functions.

The machinery starts kernels, watches them, draws the figures, checks and cleans the notebooks and moves them into
place; a plain script holds a chapter's cells without their drawing. Both at the quick size, where the machinery weighs
most, one chapter per core at a time, on a clone, so that nothing of this checkout changes.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from pairs import report, seconds

from oversmooth_book.book.book import Book
from oversmooth_book.book.needs import missing_graphs

ROOT, PROFILE = Path(__file__).resolve().parent.parent, "quick"
WORKERS = min(4, os.cpu_count() or 1)


def run(clone, *command):
    """One process in the clone, quiet, with the threads that a kernel has."""
    environment = os.environ | {"PYTHONPATH": str(clone / "src"), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    environment.setdefault("OVERSMOOTH_DATA", str(ROOT / "data" / "raw"))
    subprocess.run([sys.executable, *command], cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)


def plain_script(clone, chapter, parameters):
    """The chapter's code cells as a script, each up to where it begins a figure, with these parameters."""
    cells = json.loads((clone / "chapters" / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    values = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    sources = [values if "parameters" in cell["metadata"].get("tags", []) else "".join(cell["source"]) for cell in code]
    script = clone / f"plain_{chapter}.py"
    parts = [re.split(r"^figure\b", source, maxsplit=1, flags=re.MULTILINE)[0] for source in sources]
    script.write_text("\n\n".join(parts), encoding="utf-8")
    return script.name


def main():
    """Report the ratio."""
    book = Book(ROOT)
    chapters = [name for name, chapter in book.profiles.items() if not missing_graphs(book, chapter)]
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        scripts = [plain_script(clone, name, book.profiles[name].parameters(PROFILE)) for name in chapters]
        command = ["-m", "oversmooth_book", "run", "--profile", PROFILE, "--force", "--jobs", str(WORKERS)]

        def plain():
            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(partial(run, clone), scripts))

        # One pair: each side lasts for minutes.
        value = seconds(partial(run, clone, *command, *chapters)) / seconds(plain)
    what = "time in its experiments as plain functions"
    report("book", f"all {len(chapters)} chapters, {PROFILE} size", what, (value, value, value), "≤ 1.25")


if __name__ == "__main__":
    main()
