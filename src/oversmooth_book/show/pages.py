"""What the build adds to the authors' pages: provenance lines, notes, the full profile's section, the API's list."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FAIL, NOT_RUN, PASS, PROVED, Claim, read_values
from oversmooth_book.book.figures import drawing_functions, drawn_tables, figure_images, measuring_functions
from oversmooth_book.book.graphs import FETCH, missing_files
from oversmooth_book.book.notebooks import read_notebook, with_outputs
from oversmooth_book.book.profiles import ChapterProfile
from oversmooth_book.book.records import read_record
from oversmooth_book.book.vectors import FOLDER as FIGURES
from oversmooth_book.borrowing import read_borrowed
from oversmooth_book.check.spread import ENOUGH, FACTORS, LEAST, read_spread

# What a build shows: a profile's runs, or what is committed. The pages' directives are told by this variable.
SHOWN_VARIABLE, COMMITTED = "OVERSMOOTH_BOOK_SHOWN", "committed"
ADDED = "added-by-the-build"
BADGES = {PROVED: "bdg-primary", PASS: "bdg-success", FAIL: "bdg-danger", NOT_RUN: "bdg-secondary"}
SHOWN_VERSIONS = ("python", "torch", "numpy", "scipy", "torch-geometric")


@dataclass
class Page:
    """One chapter as it will be shown: whose outputs, whose values, and what the reader must be told."""

    chapter: ChapterProfile
    profile: str
    folder: Path
    notebook: Path
    record: dict | None
    values: dict = field(default_factory=dict)
    borrowed: dict = field(default_factory=dict)
    replicas: int = ENOUGH
    full: "Page | None" = None

    @property
    def missing(self) -> list[str]:
        """The graphs whose raw files the run lacked."""
        return self.record["missing"] if self.record else []

    @property
    def tables(self) -> list[Path]:
        """The CSV files behind the chapter's figures."""
        return sorted((self.folder / "tables").glob("*.csv"))

    @functools.cached_property
    def images(self) -> dict[str, tuple[str, bytes]]:
        """The chapter's figures as files: name to (file name, bytes)."""
        return figure_images(read_notebook(self.notebook))

    @property
    def place(self) -> str:
        """Where the built book keeps those files."""
        return f"tables/{self.chapter.name}" + ("/full" if self.profile == "full" else "")

    def deciding(self, claim: Claim) -> "Page":
        """The run that decides a claim: the full one, if only that can and there is one."""
        return self.full if self.full and claim.profile == "full" else self

    def judge(self, claim: Claim) -> tuple[float | None, str, str]:
        """What the ledger says of a claim; what only a full run can decide is judged by the committed one, if any.

        Args:
            claim: a claim of this chapter.

        Returns:
            (value or None, verdict, profile of the run that decides).
        """
        page = self.deciding(claim)
        value = page.values.get(claim.id)
        verdict = claim.verdict(value, page.profile)
        return None if verdict == NOT_RUN else value, verdict, page.profile

    def holds(self, claim: Claim) -> bool:
        """Whether the run that decides a claim found it to hold: PASS or PROVED."""
        value, _, profile = self.judge(claim)
        return claim.holds(value, profile)

    def measured(self, claim: Claim) -> str:
        """A claim's value as the ledger shows it, with what keeps its digits back; or what a claim not run needs."""
        value, verdict, profile = self.judge(claim)
        if verdict == NOT_RUN:
            return small(claim.undecided(self.profile, self.missing))
        lent = " (full profile)" if profile == "full" and self.profile != "full" else ""
        return f"{claim.show(value)}{lent} {small(claim.why)}".strip()


def read_pages(book: Book, shown: str) -> dict[str, Page]:
    """The chapters as they will be shown; whether they may be is the builder's question.

    Args:
        book: the book.
        shown: the profile whose runs are shown, or `COMMITTED` for what stands in the repository.

    Returns:
        Chapter name to page.
    """
    pages = {}
    for name, chapter in book.profiles.items():
        folder = book.published(name) if shown == COMMITTED else book.run(shown, name)
        notebook = book.notebook(name) if shown == COMMITTED else folder / f"{name}.ipynb"
        page = pages[name] = _read_page(chapter, folder, notebook)
        page.replicas = len(read_spread(book.published(name)).replicas)
        # What only a full run can decide is shown beside a published run, never beside a quick one.
        if page.profile == "published" and (book.published_full(name) / "record.json").is_file():
            page.full = _read_page(chapter, book.published_full(name), book.notebook(name))
    return pages


def _read_page(chapter: ChapterProfile, folder: Path, notebook: Path) -> Page:
    record, values = read_record(folder), read_values(folder / "claims.json")
    return Page(chapter, record["profile"], folder, notebook, record, values, read_borrowed(folder))


def chapter_notebook(book: Book, page: Page):
    """The chapter with its note on top, a provenance line under every figure, and its full-profile run at the end."""
    notebook = with_outputs(read_notebook(book.notebook(page.chapter.name)), read_notebook(page.notebook))
    cells, made = [], measuring_functions(notebook, page.chapter.name)
    for cell, tables in zip(notebook.cells, drawn_tables(notebook, page.tables), strict=True):
        cells.append(cell)
        if tables is not None and page.record:
            functions = [name for path in tables for name in made.get(path.stem, [])]
            functions += drawing_functions(cell, page.chapter.name)
            name = cell.metadata["mystnb"]["figure"].get("name", "")
            cells.append(_markdown(provenance(page, tables) + to_take(page, name) + source_links(functions)))
    if page.missing:
        cells.insert(1, _markdown(missing_note(book, page)))
    if page.replicas < ENOUGH:
        cells.append(_markdown(replicas_note(page.replicas)))
    notebook.cells = cells + ([_markdown(full_section(book, page.full))] if page.full else [])
    added = [cell for cell in notebook.cells if cell.get("id") == ADDED]
    for number, cell in enumerate(added):
        # nbformat's own are random: two builds of one commit would differ.
        cell["id"] = f"{ADDED}-{number}"
    return notebook


def full_section(book: Book, page: Page) -> str:
    """The end of a chapter that also ran at full size: its verdicts, where that run comes from, and its tables."""
    rows = []
    for claim in book.claims_of(page.chapter):
        verdict = page.judge(claim)[1]
        rows.append(f"| {link(claim)} | {badge(verdict)} | {page.measured(claim)} | `{claim.condition()}` |")
    head = "| Claim | Verdict | Measured | Needed |\n|---|---|---|---|\n"
    table = f"{head}{chr(10).join(rows)}\n\n" if rows else ""
    return (
        "## Full profile\n\nThe same chapter with more of everything, run once at the commit named here; "
        f"the figures above do not show it.\n\n{table}" + provenance(page, page.tables, "Saved as", "origin")
    )


def replicas_note(number: int) -> str:
    """What a reader must know of published numbers whose spread few replicas measured."""
    if number < LEAST:
        limits = "Until there are three, `compare` takes wide limits."
    else:
        limits = f"For so few `compare` allows {FACTORS[number]:g} of the ranges found, not {FACTORS[ENOUGH]:g}."
    return (
        ":::{div} origin\nHow far rounding moves this chapter's published numbers was measured by "
        f"{number} replicas so far; {ENOUGH} are intended. {limits}\n:::"
    )


def missing_note(book: Book, page: Page) -> str:
    """What a reader of a chapter must know that ran without some raw files.

    Args:
        book: the book.
        page: the chapter.

    Returns:
        MyST text: the graphs, the claims that are NOT RUN, whose rows the figures show, and the one command.
    """
    waiting = [link(claim) for claim in book.claims_of(page.chapter) if set(claim.needs) & set(page.missing)]
    verdict = f"The claims that need them are {NOT_RUN}: {', '.join(waiting)}." if waiting else "No claim needs them."
    drawn = (
        " Figures that show these graphs draw the published run; they are tinted and say so." if page.borrowed else ""
    )
    return (
        f":::{{admonition}} Some data are not here\n:class: warning\nThe raw files of {', '.join(page.missing)} are "
        f"not on this machine, or not the published ones. {verdict}{drawn} {FETCH} downloads them.\n:::"
    )


def missing_data(pages: dict[str, Page]) -> str:
    """Which raw files the whole book lacks, and the command that fetches them.

    Args:
        pages: the chapters as they will be shown.

    Returns:
        MyST text, empty if nothing is missing.
    """
    graphs = list(dict.fromkeys(name for page in pages.values() for name in page.missing))
    if not graphs:
        return ""
    files = "".join(f"- `{path}`\n" for path in missing_files(graphs)) or "- none, but some are damaged\n"
    return (
        f":::{{admonition}} Some data are not on this machine\n:class: warning\n{FETCH} downloads what is missing; "
        f"then run and build again. Until then the claims that need {', '.join(graphs)} are {NOT_RUN}; all others were "
        f"measured.\n\nMissing below `data/raw`, or below the folder that `OVERSMOOTH_DATA` names:\n\n{files}:::"
    )


def badge(verdict: str) -> str:
    """A verdict as a coloured word."""
    return f"{{{BADGES[verdict]}}}`{verdict}`"


def small(text: str) -> str:
    """A remark in a table's cell, on a line of its own; empty for none."""
    return f"[{text}]{{.remark}}" if text else ""


def link(claim: Claim) -> str:
    """A claim's name, leading to its row in the ledger."""
    return f"[{claim.id}](#claim-{claim.id.lower()})"


def _assigned(values: dict) -> str:
    return ", ".join(f"`{name} = {value!r}`" for name, value in values.items())


def _markdown(text: str):
    import nbformat

    return nbformat.v4.new_markdown_cell(text, id=ADDED)


def provenance(page: Page, tables: list[Path], verb: str = "Drawn from", style: str = "provenance") -> str:
    """Where a figure comes from, in one small paragraph."""
    record, seeds = page.record, page.record["seeds"]
    values = _assigned({name: value for name, value in record["parameters"].items() if name not in seeds}) or "none"
    versions = ", ".join(f"{name} {record['versions'][name]}" for name in SHOWN_VERSIONS if name in record["versions"])
    commit = f"commit `{record['commit'][:10]}`" if record["commit"] else "no commit known"
    changed = " with uncommitted changes" if record["commit"] and record["dirty"] else ""
    links = ", ".join(f"{{download}}`{path.name} </{page.place}/{path.name}>`{_lender(page, path)}" for path in tables)
    drawn = f" {verb} {links}." if links else ""
    return (
        f":::{{div}} {style}\nProfile {record['profile']}; parameters: {values}; "
        f"seeds: {_assigned(seeds) or 'no parameter, they stand in the code'}. {versions}; "
        f"{commit}{changed}. The chapter took {record['seconds']:.0f} s "
        f"on {record['machine']['cores']} cores ({record['machine']['processor']}).{drawn}\n:::"
    )


def to_take(page: Page, figure: str) -> str:
    """The figure as a file that stays sharp at any size; empty where its run drew none."""
    if not (page.folder / FIGURES / f"{figure}.svg").is_file():
        return ""
    file = f"/{FIGURES}/{page.chapter.name}/{figure}.svg"
    return f"\n\n:::{{div}} origin\nThe figure to take away: {{download}}`SVG <{file}>`.\n:::"


def source_links(functions: list[str]) -> str:
    """Which functions measured and drew a figure, leading to what they do and to their source; empty for none."""
    if not functions:
        return ""
    links = [f"{{py:func}}`{'.'.join(name.split('.')[3:])} <{name}>`" for name in dict.fromkeys(functions)]
    return f"\n\n:::{{div}} origin\nCode: {', '.join(links)}.\n:::"


def _lender(page: Page, table: Path) -> str:
    """Where a table's rows come from, if not all come from this run."""
    graphs = page.borrowed.get(table.stem)
    return f" (rows of {', '.join(graphs)}: published run)" if graphs else ""
