"""The committed notebooks, run again here: text must agree to the letter, tables and values by tolerance."""

import os
import subprocess
import sys

import pytest
from miniature import REPOSITORY, call

from oversmooth_book.chapter import OUTPUT_VARIABLE
from oversmooth_book.claims import read_claims
from oversmooth_book.compare import compare_folders
from oversmooth_book.layout import Book
from oversmooth_book.profiles import missing_graphs, read_profiles

BOOK = Book(REPOSITORY)
CHAPTERS = read_profiles(BOOK.chapters / "profiles.yml")


def nbval(book, name, folder):
    """Strict nbval on one committed notebook; its tables and values go to ``folder``."""
    kept = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "PYTEST_ADDOPTS")}
    environment = {**kept, OUTPUT_VARIABLE: str(folder), "OVERSMOOTH_BOOK": str(book.root), "PYTHONHASHSEED": "0"}
    # What the user's own IPython does at start-up is no part of the book.
    environment["IPYTHONDIR"] = str(folder.with_name(f"{folder.name}-ipython"))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--override-ini=addopts=",
    ]
    command += ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={REPOSITORY / 'tests/book/nbval.cfg'}"]
    command += ["--nbval-cell-timeout=1200", str(book.notebook(name))]
    return subprocess.run(command, cwd=book.root, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("name", CHAPTERS)
def test_committed_outputs_are_what_this_machine_computes(name, tmp_path):
    missing = missing_graphs(CHAPTERS[name])
    if missing:
        pytest.skip(f"the raw files of {', '.join(missing)} are not here")
    answer = nbval(BOOK, name, tmp_path)
    assert answer.returncode == 0, answer.stdout[-6000:]
    claims = read_claims(BOOK.chapters / "claims.yml")
    assert compare_folders(tmp_path / name, BOOK.published(name), CHAPTERS[name], claims) == []


def test_nbval_sees_a_changed_number(good, tmp_path):
    assert call(good, "publish").returncode == 0
    assert nbval(good, "tiny", tmp_path / "same").returncode == 0
    chapter, folder = read_profiles(good.chapters / "profiles.yml")["tiny"], good.published("tiny")
    claims = read_claims(good.chapters / "claims.yml")
    assert compare_folders(tmp_path / "same" / "tiny", folder, chapter, claims) == []
    text = good.notebook("tiny").read_text()
    good.notebook("tiny").write_text(text.replace("measured 0.75", "measured 0.74"))
    answer = nbval(good, "tiny", tmp_path / "other")
    assert answer.returncode == 1 and "0.74" in answer.stdout
