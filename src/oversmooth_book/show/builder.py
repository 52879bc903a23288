"""Build the HTML book from runs: stage the pages with what the runs found, then let jupyter-book be strict."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.fingerprints import fingerprints
from oversmooth_book.book.layout import recover_folders, replace_folder, with_home
from oversmooth_book.book.notebooks import faults, read_notebook, write_notebook
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.records import outputs_differ, read_record
from oversmooth_book.check.compare import read_borrowed
from oversmooth_book.check.spread import read_spread
from oversmooth_book.run.runner import locked, why_due
from oversmooth_book.show.benchmark_table import BENCHMARKS_MARK, benchmark_table
from oversmooth_book.show.ledger import CLAIMS_MARK, claims_table
from oversmooth_book.show.pages import API_MARK, DATA_MARK, Page, api_listing, chapter_notebook, missing_data
from oversmooth_book.show.statements import STATEMENTS_MARK, statement_sections


def build(book: Book, profile: str = "published", committed: bool = False) -> list[str]:
    """Make ``_build/<profile>/html``; the old one stays if anything goes wrong.

    Args:
        book: the book.
        profile: whose runs to show.
        committed: show the committed outputs instead, running nothing.

    Returns:
        One sentence per failed claim; the pages show them too.

    Raises:
        BookError: if a chapter has no valid run, or Sphinx has a complaint.
    """
    strangers = [claim.id for claim in book.claims.values() if claim.chapter not in book.profiles]
    if strangers:
        raise BookError(f"claims.yml: {', '.join(strangers)}: no such chapter in profiles.yml")
    with locked(book, profile):
        recover_folders(book.build(profile))
        pages = {name: _page(book, chapter, profile, committed) for name, chapter in book.profiles.items()}
        for name, page in pages.items():
            page.replicas = len(read_spread(book.published(name)).replicas)
            # What only a full run can decide is shown beside a published run, never beside a quick one.
            page.full = full_page(book, page.chapter) if page.profile == "published" else None
        source = book.build(profile) / "source"
        failed = _stage(book, source, pages)
        _sphinx(book, source, profile)
    return failed


def _page(book: Book, chapter: ChapterProfile, profile: str, committed: bool) -> Page:
    if committed:
        return _committed_page(book, chapter)
    folder = book.run(profile, chapter.name)
    reason = why_due(book, chapter, profile, fingerprints(book, chapter, profile))
    if reason:
        raise BookError(
            f"{chapter.name} cannot be shown ({reason}): first call python -m oversmooth_book run --profile {profile}"
        )
    values, borrowed = read_values(folder / "claims.json"), read_borrowed(folder)
    return Page(chapter, profile, folder, folder / f"{chapter.name}.ipynb", read_record(folder), values, borrowed)


def full_page(book: Book, chapter: ChapterProfile) -> Page | None:
    """The committed full-profile run of a chapter, None if there is none."""
    folder = book.published_full(chapter.name)
    record = read_record(folder)
    if record is None:
        return None
    altered = outputs_differ(folder, record)
    if altered:
        raise BookError(f"data/published/{chapter.name}/full: {', '.join(altered)}: not what the run wrote")
    values = read_values(folder / "claims.json")
    return Page(chapter, "full", folder, book.notebook(chapter.name), record, values)


def _committed_page(book: Book, chapter: ChapterProfile) -> Page:
    """The outputs that stand in the repository."""
    name, folder = chapter.name, book.published(chapter.name)
    record = read_record(folder)
    wrong = faults(read_notebook(book.notebook(name)))
    altered = outputs_differ(folder, record) if record else []
    wrong += [f"data/published/{name}: {file} is not what the run wrote" for file in altered]
    if wrong or record is None:
        what = wrong[0] if wrong else "data/published has no record of it"
        raise BookError(f"{name}: its committed outputs cannot be shown: {what}")
    values = read_values(folder / "claims.json")
    return Page(chapter, record["profile"], folder, book.notebook(name), record, values)


def _stage(book: Book, source: Path, pages: dict[str, Page]) -> list[str]:
    """Copy the authors' pages and the runs' notebooks into ``source``, with everything the build adds."""
    shutil.rmtree(source, ignore_errors=True)
    (source / "chapters").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(book.root / name, source / name)
    if (book.chapters / "_static").is_dir():
        shutil.copytree(book.chapters / "_static", source / "_static")
    for path in [*book.chapters.glob("*.bib"), *book.chapters.glob("*.png"), *book.chapters.glob("*.svg")]:
        shutil.copy(path, source / "chapters")
    table, failed = claims_table(book, pages)
    added = {
        CLAIMS_MARK: lambda: table,
        STATEMENTS_MARK: lambda: statement_sections(book, pages),
        API_MARK: api_listing,
        DATA_MARK: lambda: missing_data(pages),
        BENCHMARKS_MARK: lambda: benchmark_table(book),
    }
    for path in book.chapters.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        for mark, content in added.items():
            text = text.replace(mark, content()) if mark in text else text
        (source / "chapters" / path.name).write_text(text, encoding="utf-8")
    for name, page in pages.items():
        write_notebook(chapter_notebook(book, page), source / "chapters" / f"{name}.ipynb")
        for shown in filter(None, (page, page.full)):
            (source / shown.place).mkdir(parents=True, exist_ok=True)
            for csv in shown.tables:
                shutil.copy(csv, source / shown.place)
    return failed


def _sphinx(book: Book, source: Path, profile: str) -> None:
    """Strict jupyter-book into a fresh folder, then one move into place."""
    site = book.build(profile) / "site"
    shutil.rmtree(site, ignore_errors=True)
    # jupyter-book 1 has no __main__, and its script need not be on the path of a venv that is not activated.
    starter = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", starter, "build", str(source), "--path-output", str(site)]
    command += ["-W", "-n", "--keep-going", "-q"]
    environment = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1", **with_home(book.root)}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    html = site / "_build" / "html"
    if answer.returncode or not (html / "index.html").is_file():
        lines = [_relative(line, source) for line in (answer.stdout + answer.stderr).splitlines()]
        complaints = [line for line in lines if re.search(r"WARNING|ERROR|[Ee]xception", line)] or lines[-20:]
        raise BookError("jupyter-book refuses the book:\n" + "\n".join(dict.fromkeys(complaints)))
    replace_folder(html, book.build(profile) / "html")
    shutil.rmtree(site, ignore_errors=True)


def _relative(line: str, source: Path) -> str:
    """A complaint with the staged page's path as an author knows it."""
    package = Path(__file__).resolve().parents[3]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    return plain.replace(f"{source}{os.sep}", "").replace(f"{package}{os.sep}", "")
