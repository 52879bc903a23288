"""Build the HTML book from runs: stage the pages with what the runs found, then let jupyter-book be strict."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from oversmooth_book.book.book import ROOT_VARIABLE, Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.fingerprints import fingerprints
from oversmooth_book.book.layout import recover_folders, replace_folder, with_home
from oversmooth_book.book.links import stray_links
from oversmooth_book.book.notebooks import faults, read_notebook, write_notebook
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.records import outputs_differ, read_record
from oversmooth_book.book.vectors import FOLDER as FIGURES
from oversmooth_book.run.runner import locked, why_due
from oversmooth_book.show.cards import FOLDER as THUMBNAILS
from oversmooth_book.show.cards import draw_thumbnails
from oversmooth_book.show.exports import write_exports
from oversmooth_book.show.ledger import failures
from oversmooth_book.show.pages import COMMITTED, SHOWN_VARIABLE, Page, chapter_notebook, read_pages
from oversmooth_book.show.robustness import FOLDER, draw_robustness

SITE = "site"  # where Sphinx writes, until all is well


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
        for chapter in book.profiles.values():
            if committed:
                _check_committed(book, chapter)
            else:
                _check_run(book, chapter, profile)
            _check_full(book, chapter)
        shown = COMMITTED if committed else profile
        pages, source = read_pages(book, shown), book.build(profile) / "source"
        _stage(book, source, pages)
        html = _sphinx(book, source, profile, shown)
        write_exports(book, pages, html)
        _into_place(book.build(profile), html)
    return failures(book, pages)


def _check_run(book: Book, chapter: ChapterProfile, profile: str) -> None:
    """Refuse a run that is not the last word on its chapter."""
    reason = why_due(book, chapter, profile, fingerprints(book, chapter, profile))
    if reason:
        raise BookError(
            f"{chapter.name} cannot be shown ({reason}): first call python -m oversmooth_book run --profile {profile}"
        )


def _check_committed(book: Book, chapter: ChapterProfile) -> None:
    """Refuse outputs in the repository that are not those of their record."""
    name, folder = chapter.name, book.published(chapter.name)
    record = read_record(folder)
    wrong = faults(read_notebook(book.notebook(name)))
    altered = outputs_differ(folder, record) if record else []
    wrong += [f"data/published/{name}: {file} is not what the run wrote" for file in altered]
    if wrong or record is None:
        what = wrong[0] if wrong else "data/published has no record of it"
        raise BookError(f"{name}: its committed outputs cannot be shown: {what}")


def _check_full(book: Book, chapter: ChapterProfile) -> None:
    """Refuse a committed full run, if there is one, whose outputs are not those of its record."""
    record = read_record(book.published_full(chapter.name))
    altered = outputs_differ(book.published_full(chapter.name), record) if record else []
    if altered:
        raise BookError(f"data/published/{chapter.name}/full: {', '.join(altered)}: not what the run wrote")


def _stage(book: Book, source: Path, pages: dict[str, Page]) -> None:
    """Copy the authors' pages and the runs' notebooks into ``source``, with everything the build adds."""
    links = stray_links(book)
    if links:
        raise BookError(f"not built: {'; '.join(links)}")
    shutil.rmtree(source, ignore_errors=True)
    (source / "chapters").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(book.root / name, source / name)
    if (book.chapters / "_static").is_dir():
        shutil.copytree(book.chapters / "_static", source / "_static")
    for path in [path for kind in ("md", "bib", "png", "svg") for path in book.chapters.glob(f"*.{kind}")]:
        shutil.copy(path, source / "chapters")
    for name, page in pages.items():
        write_notebook(chapter_notebook(book, page), source / "chapters" / f"{name}.ipynb")
        for shown in filter(None, (page, page.full)):
            (source / shown.place).mkdir(parents=True, exist_ok=True)
            for csv in shown.tables:
                shutil.copy(csv, source / shown.place)
        if (page.folder / FIGURES).is_dir():
            shutil.copytree(page.folder / FIGURES, source / FIGURES / name)
    draw_robustness(book, source / FOLDER)
    draw_thumbnails(pages, source / THUMBNAILS)


def _sphinx(book: Book, source: Path, profile: str, shown: str) -> Path:
    """Strict jupyter-book into a fresh folder: the root of the site."""
    site = book.build(profile) / SITE
    shutil.rmtree(site, ignore_errors=True)
    # jupyter-book 1 has no __main__, and its script need not be on the path of a venv that is not activated.
    starter = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", starter, "build", str(source), "--path-output", str(site)]
    command += ["-W", "-n", "--keep-going", "-q"]
    # The directives of the pages ask these two what to show.
    asked = {ROOT_VARIABLE: str(book.root), SHOWN_VARIABLE: shown}
    environment = {**os.environ, **asked, "PYTHONUTF8": "1", "NO_COLOR": "1", **with_home(book.root)}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    html = site / "_build" / "html"
    if answer.returncode or not (html / "index.html").is_file():
        lines = [_relative(line, source) for line in (answer.stdout + answer.stderr).splitlines()]
        complaints = [line for line in lines if re.search(r"WARNING|ERROR|[Ee]xception", line)] or lines[-20:]
        raise BookError("jupyter-book refuses the book:\n" + "\n".join(dict.fromkeys(complaints)))
    return html


def _into_place(folder: Path, html: Path) -> None:
    """One move, and nothing of Sphinx's is left."""
    replace_folder(html, folder / "html")
    shutil.rmtree(folder / SITE, ignore_errors=True)


def _relative(line: str, source: Path) -> str:
    """A complaint with the staged page's path as an author knows it."""
    package = Path(__file__).resolve().parents[3]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    return plain.replace(f"{source}{os.sep}", "").replace(f"{package}{os.sep}", "")
