"""What a chapter calls: start, save_table, verify, numbers. Where a public graph may be missing: `borrowing`.

Under ``oversmooth-book run`` the tables and values go to the run's folder. A notebook opened by hand, or run by
nbval, behaves and prints alike, but its tables and values go to a temporary folder that vanishes with the kernel.
"""

import atexit
import functools
import json
import logging
import os
import re
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from oversmooth_book.book.book import Book, find_book
from oversmooth_book.book.claims import NOT_RUN, PROOF, Claim, how, to_json
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.graphs import missing_of
from oversmooth_book.book.machine import MACHINE_FILE, machine
from oversmooth_book.book.proved import side_of
from oversmooth_book.book.vectors import FOLDER as FIGURES
from oversmooth_book.book.vectors import keep_vectors
from oversmooth_book.values import as_number, as_text, evaluate, values_of

OUTPUT_VARIABLE = "OVERSMOOTH_BOOK_OUTPUT"
PROFILE_VARIABLE = "OVERSMOOTH_BOOK_PROFILE"


@dataclass(frozen=True)
class Started:
    """The chapter that this process works on, and where its tables and values go."""

    book: Book
    chapter: str
    folder: Path
    profile: str

    @property
    def tables(self) -> Path:
        """The folder of the tables."""
        return self.folder / "tables"

    def claim(self, claim_id: str) -> Claim:
        """One of the chapter's rows of claims.yml.

        Args:
            claim_id: its id.

        Returns:
            The claim.

        Raises:
            ValueError: if the chapter has no such claim.
        """
        known = {row.id: row for row in self.book.claims.values() if row.chapter == self.chapter}
        if claim_id not in known:
            raise ValueError(
                f"claims.yml has no claim {claim_id!r} for chapter {self.chapter}; it has {', '.join(known) or 'none'}"
            )
        return known[claim_id]

    def record(self, claim_id: str, value) -> float:
        """Write a claim's value into claims.json; a rerun of the cell replaces it."""
        number, path = as_number(claim_id, value), self.folder / "claims.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**values, claim_id: to_json(number)}, indent=1) + "\n", encoding="utf-8")
        return number


_started: Started | None = None


def start(chapter: str) -> None:
    """Begin a chapter: name it, set the figures' theme, keep progress bars out of the page.

    Args:
        chapter: the notebook's name without ``.ipynb``, as in profiles.yml.

    Raises:
        ValueError: if profiles.yml has no such chapter.
    """
    global _started
    book = find_book()
    if chapter not in book.profiles:
        raise ValueError(f"profiles.yml has no chapter {chapter!r}; it has {', '.join(book.profiles) or 'none'}")
    _started = Started(book, chapter, _output_root() / chapter, os.environ.get(PROFILE_VARIABLE, "published"))
    # A second start in one kernel begins afresh: a value measured before must not pass for a new one.
    shutil.rmtree(_started.folder, ignore_errors=True)
    _started.tables.mkdir(parents=True)
    (_started.folder / "claims.json").write_text("{}\n", encoding="utf-8")
    if os.environ.get(OUTPUT_VARIABLE):
        (_started.folder / MACHINE_FILE).write_text(json.dumps(machine()), encoding="utf-8")
    _quiet()
    from oversmooth import set_theme

    set_theme()
    if os.environ.get(PROFILE_VARIABLE) in ("quick", "published"):  # a run whose figures a page may show
        keep_vectors(_started.folder / FIGURES)


def _quiet() -> None:
    """Keep out of the page what has no place in it."""
    os.environ["TQDM_DISABLE"] = "1"
    # torch announces on first use that sparse CSR is young; the book knows, and nbval would compare the text.
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    # torch_geometric asks tqdm for a bar, which asks for ipywidgets; a page has no use for either.
    warnings.filterwarnings("ignore", message="IProgress not found")
    # On a new machine matplotlib announces, after five seconds, that it reads the fonts.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def save_table(name: str, table) -> None:
    """Write a tidy table as CSV with six significant digits: what a figure draws and ``compare`` compares.

    Args:
        name: letters, digits and underscores.
        table: pandas DataFrame, one row per measurement, everything in columns.

    Raises:
        ValueError: if the name or the table cannot be written as such.
    """
    require_table_name(name)
    if not hasattr(table, "to_csv") or not hasattr(table, "columns"):
        raise ValueError(f"table {name!r} needs a pandas DataFrame, got {type(table).__name__}")
    if not len(table) or any(label is not None for label in table.index.names):
        raise ValueError(
            f"table {name!r} needs rows and no named index (reset_index), got {len(table)} rows "
            f"and the index {list(table.index.names)}"
        )
    if proved := [column for column in map(str, table.columns) if side_of(column)]:
        raise ValueError(f"table {name!r} names {', '.join(proved)} as proved: only save_proofs writes such a column")
    table.to_csv(started().tables / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")


def require_table_name(name: str) -> None:
    """Check a table's name.

    Raises:
        ValueError: if it has more than letters, digits and underscores.
    """
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise ValueError(f"a table's name has letters, digits and underscores, got {name!r}")


def claim(claim_id: str, value: float) -> None:
    """Record the measured value of a claim and print it beside its threshold and verdict.

    Where the raw files of a graph that the claim ``needs`` are missing, nothing is recorded: the value would repeat
    the published run's, not check it.

    Args:
        claim_id: a row of claims.yml that names this chapter.
        value: the measured number (a truth value counts as 0 or 1).

    Raises:
        ValueError: if claims.yml has no such row for this chapter, or the value is not a finite number.
    """
    run = started()
    row = run.claim(claim_id)
    if lacking := missing(row.needs):
        print(f"{claim_id}: {NOT_RUN}: needs {', '.join(lacking)}")
        return
    number = run.record(claim_id, value)
    print(f"{claim_id}: {row.measured(number)}: {row.verdict(number, run.profile)}")


def verify(*claim_ids: str) -> None:
    """Compute claims from the tables saved so far, record their values, and show each with its verdict.

    Shown are statement, measured value, threshold and verdict. The value is what the chapter's ``claims.py`` makes of
    the tables, as for `claim` only if no graph that it ``needs`` is missing.

    Args:
        claim_ids: rows of claims.yml that name this chapter.

    Raises:
        ValueError: if claims.yml has no such row for this chapter, or a value is not a finite number.
        BookError: if claims.py has no function for a claim, or a table that it reads was not saved.
    """
    from IPython.display import display

    run = started()
    functions, _ = values_of(run.chapter)
    shown = [_judged(run, run.claim(claim_id), functions) for claim_id in claim_ids]
    plain = "\n".join(f"{row.id} {row.statement}\n   {said}" for row, said, _ in shown)
    text = "\n".join(f"- **{row.id}** {row.statement}\\\n  {said}" for row, _, said in shown)
    display({"text/plain": plain, "text/markdown": text}, raw=True)


def numbers(*names: str) -> None:
    """Keep numbers for the text, computed from the tables saved so far by the functions of the chapter's ``claims.py``.

    Args:
        names: of the numbers; none means all of the chapter.

    Raises:
        BookError: if claims.py has no such number, or a table that it reads was not saved.
    """
    run = started()
    _, known = values_of(run.chapter)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BookError(f"claims.py of {run.chapter} has no number {', '.join(unknown)}; it has {', '.join(known)}")
    for name in names or known:
        glue(name, evaluate(known[name].function, run.tables), known[name].spec)


def glue(name: str, value, spec: str = "") -> None:
    """Keep a rounded value for the text, which shows it by ``{glue:text}`name```.

    Args:
        name: the key used in the text.
        value: a number, or text.
        spec: Python format, such as ".3f" or ".1e"; rounded here, because nbval compares what is glued.

    Raises:
        ValueError: if a number comes without a format.
    """
    from IPython.display import display

    text = as_text(name, value, spec)
    prefix = "application/papermill.record/"
    # The format that myst-nb reads; written here because importing myst_nb costs a second per chapter.
    metadata = {"scrapbook": {"name": name, "mime_prefix": prefix}}
    display({f"{prefix}text/plain": repr(text)}, metadata=metadata, raw=True)


def missing(graphs) -> list[str]:
    """The graphs whose raw files are not on this machine; nothing is downloaded.

    Args:
        graphs: names for ``oversmooth.load``, or block models, which are drawn: "CSBM", also with a size behind it.

    Returns:
        Their names.
    """
    return missing_of([name for name in graphs if name.lower().partition(" ")[0] != "csbm"])


def started() -> Started:
    """The chapter that was started last.

    Returns:
        Its name, its book and where its tables and values go.

    Raises:
        ValueError: if no chapter was started.
    """
    if _started is None:
        raise ValueError("call oversmooth_book.start('<chapter>') first, in the cell after the parameters")
    return _started


def _judged(run: Started, row: Claim, functions: dict) -> tuple[Claim, str, str]:
    """A claim, and what is said of it in plain text and in MyST."""
    if row.id not in functions:
        raise BookError(f"experiments/{row.chapter}/claims.py has no function for the claim {row.id}")
    if lacking := missing(row.needs):
        said = f"{NOT_RUN}: needs {', '.join(lacking)}"
        return row, said, f"**{said}**"
    number = run.record(row.id, evaluate(functions[row.id], run.tables))
    shown, verdict, why = row.show(number), row.verdict(number, run.profile), row.undecided(run.profile)
    verdict += f": {why}" if why else ""
    quantity = row.quantity[:1].upper() + row.quantity[1:]
    proved = f"{how(number)} " if row.kind == PROOF else ""
    return (
        row,
        f"{how(number)} {shown}, needed {row.condition()}: {verdict}",
        f"{quantity}: {proved}**{shown}**, needed `{row.condition()}`: **{verdict}**",
    )


@functools.cache
def _output_root() -> Path:
    given = os.environ.get(OUTPUT_VARIABLE)
    if given:
        return Path(given)
    folder = Path(tempfile.mkdtemp(prefix="oversmooth-book-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
