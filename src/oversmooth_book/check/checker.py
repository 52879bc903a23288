"""check: everything that can be told without running a chapter."""

from collections.abc import Callable
from pathlib import Path

from oversmooth_book.attack.robustness import read_robustness
from oversmooth_book.attack.variations import domain_faults
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FAIL, Claim, read_values
from oversmooth_book.book.errors import BookError, first_line
from oversmooth_book.book.links import outside_files, stray_links
from oversmooth_book.book.notebooks import code_fingerprint, faults, output_fingerprint, parameters, read_notebook
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.records import outputs_differ, read_record
from oversmooth_book.book.strict_yaml import read_yaml
from oversmooth_book.check.anatomy import anatomy, uncovered
from oversmooth_book.check.prose import typed_numbers
from oversmooth_book.check.statements import check_statements


def check(book: Book) -> list[str]:
    """What is wrong with the book as it stands in the repository.

    Args:
        book: the book.

    Returns:
        One sentence per problem, empty if all is in order.
    """
    parts = (lambda: book.profiles, lambda: book.claims, lambda: read_yaml(book.root / "_toc.yml"))
    unreadable = [problem for part in parts for problem in _complaint(part)]
    if unreadable:  # the rest is judged by these: a slip in one of them would be told dozens of times
        return unreadable
    contents, problems = str(read_yaml(book.root / "_toc.yml")), []
    for claim in book.claims.values():
        if claim.chapter not in book.profiles:
            problems.append(f"claims.yml: {claim.id} names the chapter {claim.chapter}, which profiles.yml has not")
        problems += _domain_faults(claim)
    problems += published_failures(book) + (_complaint(lambda: book.statements) or check_statements(book))
    for name, chapter in book.profiles.items():
        if f"chapters/{name}'" not in contents:
            problems.append(f"_toc.yml: lacks the chapter {name} (file: chapters/{name})")
        problems += check_chapter(book, chapter) + _complaint(
            lambda name=name: read_robustness(book.published(name), book.claims)
        )
    for page in sorted(book.chapters.glob("*.md")):
        problems += _page_faults(page)
    return problems + stray_links(book)


def _page_faults(page: Path) -> list[str]:
    try:
        text = page.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [f"{page.name}: not readable as UTF-8 text ({first_line(error)})"]
    outside = [f"{page.name}: names {path}, outside of the book" for path in outside_files(text)]
    return [f"{page.name}: typed number {number}" for number in typed_numbers(text)] + outside


def _complaint(read: Callable) -> list[str]:
    """What a reader of a file says of it, if it cannot be read."""
    try:
        read()
    except BookError as error:
        return [str(error)]
    return []


def _domain_faults(claim: Claim) -> list[str]:
    return [f"claims.yml: {claim.id}: {fault}" for fault in domain_faults(claim.domain or {})]


def published_failures(book: Book) -> list[str]:
    """What the committed values say against claims.yml as it stands.

    Args:
        book: the book.

    Returns:
        One sentence per claim that the published or the full run fails or did not measure.
    """
    found = []
    for claim in book.claims.values():
        for profile, folder in (
            ("published", book.published(claim.chapter)),
            ("full", book.published_full(claim.chapter)),
        ):
            where = f"data/{folder.relative_to(book.root / 'data').as_posix()}"
            try:
                value = read_values(folder / "claims.json").get(claim.id)
            except BookError as error:
                found.append(str(error))
                continue
            if value is None and profile == "published" and (folder / "record.json").is_file():
                found.append(f"{where}: claim {claim.id} was not measured: run {claim.chapter} and publish it")
            elif claim.verdict(value, profile) == FAIL:
                found.append(f"{where}: {FAIL} {claim.failure(value)}")
    return list(dict.fromkeys(found))


def check_chapter(book: Book, chapter: ChapterProfile) -> list[str]:
    """The problems of one committed notebook, each naming it."""
    file = f"{chapter.name}.ipynb"
    try:
        notebook = read_notebook(book.notebook(chapter.name))
        values = parameters(notebook, file)
        found = anatomy(notebook, chapter.name) + uncovered(notebook, book, chapter)
        found += faults(notebook)
        problems = [f"{file}: {problem}" for problem in found]
        if values != chapter.published:
            problems.append(f"{file}: its parameters cell says {values}, profiles.yml says {chapter.published}")
        return problems + _against_record(book, chapter.name, notebook)
    except BookError as error:
        return [str(error)]


def _against_record(book: Book, name: str, notebook) -> list[str]:
    """Whether the committed outputs are those that the published record vouches for."""
    folder = book.published(name)
    record = read_record(folder)
    if record is None:
        return [f"{name}.ipynb: data/published/{name} has no record: run and publish it"]
    problems = _against_full_record(book, name)
    if record["fingerprints"]["notebook"] != code_fingerprint(notebook):
        problems.append(f"{name}.ipynb: its code changed after its outputs were published: run and publish it")
    if record["outputs"]["notebook"] != output_fingerprint(notebook):
        problems.append(f"{name}.ipynb: its outputs are not those of the published record")
    return problems + _outputs_against(record, folder, f"data/published/{name}")


def _against_full_record(book: Book, name: str) -> list[str]:
    """Whether the committed full-profile tables are those of their record, which may be older than ``src/``."""
    folder = book.published_full(name)
    record, where = read_record(folder), f"data/published/{name}/full"
    if record is None:
        return [f"{where}: has no record: publish --profile full {name}"] if folder.exists() else []
    if (record["chapter"], record["profile"]) != (name, "full"):
        return [f"{where}: its record is of {record['chapter']}, profile {record['profile']}"]
    return _outputs_against(record, folder, where)


def _outputs_against(record: dict, folder: Path, where: str) -> list[str]:
    return [f"{where}/{name}: not that of the published record" for name in outputs_differ(folder, record)]
