"""What programs read of the built book, at the site's root: claims.json, every claim, and llms.txt, every page."""

import html
import json
import math
import re
from dataclasses import asdict
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.book.proved import Proved
from oversmooth_book.book.strict_yaml import read_yaml
from oversmooth_book.show.entries import Entry, entries
from oversmooth_book.show.pages import Page

CLAIMS, PAGES = "claims.json", "llms.txt"
SUMMARY = (
    "Why deep graph neural networks are hard to train: features and errors are averaged alike, until no layer learns. "
    "An executable companion to Keriven, Backward Oversmoothing (ICML 2026): every claim is measured again on the "
    "reader's machine, by the Python library oversmooth, which stands on PyTorch and works without the book."
)
FIELDS = {
    "id": "the claim's name in the book",
    "chapter": "the notebook that measures it",
    "kind": "check (cannot come out otherwise), finding (can) or proof",
    "statement": "Markdown with mathematics",
    "quantity": "what is measured",
    "value": "a number; null if it was not run",
    "bound": "at_most, at_least or exactly: how a proof bounds the number; null for a measured one",
    "shown": "the value as the page prints it: what another machine would print, too",
    "comparison": "< <= > >= == or between",
    "threshold": "a number; two for between",
    "verdict": "PROVED, PASS, FAIL or NOT RUN",
    "domain": "of a finding: settings for which it claims to hold; null for no bounds",
    "robustness": "of a finding: variations inside its domain, and in how many it holds; null if it was not attacked",
    "neighbours": "statements of other works that it reproduces, limits or contradicts, and what became of them",
    "paper": "where the paper says it; † for ours",
    "profile": "the least thorough run that can decide it",
    "tests": "of the mathematics behind it",
    "figure": "the figure that it stands under",
    "source": "the function that computes the value from the chapter's tables",
    "commit": "of the run that decided",
    "page": "its card",
}


def write_exports(book: Book, pages: dict[str, Page], folder: Path) -> None:
    """Lay both files into a built site.

    Args:
        book: the book.
        pages: the chapters as they are shown.
        folder: the site's root.
    """
    rows = [row(entry) for entry in entries(book, pages)]
    text = json.dumps({"fields": FIELDS, "claims": rows}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / CLAIMS).write_text(text + "\n", encoding="utf-8")
    (folder / PAGES).write_text(llms_text(book, folder), encoding="utf-8")


def row(entry: Entry) -> dict:
    """One claim as claims.json has it.

    Args:
        entry: the claim.

    Returns:
        What `FIELDS` lists.
    """
    claim, value, function = entry.claim, entry.value, entry.function
    known = value is not None and math.isfinite(value)
    name = {} if function is None else {"function": function.__name__, "file": _file(function)}
    return {
        **{key: getattr(claim, key) for key in ("id", "chapter", "kind", "statement", "quantity")},
        "value": float(value) if known else None,
        "bound": value.side if isinstance(value, Proved) else None,
        "shown": entry.shown,
        **{key: getattr(claim, key) for key in ("comparison", "threshold")},
        "verdict": entry.verdict,
        "domain": claim.domain,
        "robustness": _robustness(entry),
        "neighbours": [asdict(one) for one in entry.neighbours],
        **{key: getattr(claim, key) for key in ("paper", "profile")},
        "tests": list(entry.tests),
        "figure": entry.figure,
        "source": name or None,
        "commit": entry.commit,
        "page": f"chapters/claims.html#claim-{claim.id.lower()}",
    }


def _file(function) -> str:
    return f"src/{function.__module__.replace('.', '/')}.py"


def _robustness(entry: Entry) -> dict | None:
    if entry.robustness is None:
        return None
    inside = entry.robustness.inside
    return {"variations": len(inside), "holds": sum(trial.holds for trial in inside)}


def llms_text(book: Book, folder: Path) -> str:
    """What the book is, its pages with a line each, and where the data lie, in the form of llmstxt.org.

    Args:
        book: the book.
        folder: the root of the built site.

    Returns:
        Markdown; its links start at the site's root.
    """
    toc = read_yaml(book.root / "_toc.yml")
    lines = [f"# {read_yaml(book.root / '_config.yml')['title']}", "", f"> {SUMMARY}", ""]
    lines += ["The sign † marks what is ours and not the paper's.", "", "## Start", "", _line(folder, toc["root"])]
    for part in toc.get("parts") or [toc]:
        lines += ["", f"## {part.get('caption', 'Pages')}", ""]
        lines += [_line(folder, page["file"]) for page in part.get("chapters", [])]
    lines += ["", "## Data", "", f"- [{CLAIMS}]({CLAIMS}): every claim as JSON, a row each: {', '.join(FIELDS)}."]
    return "\n".join(lines) + "\n"


def _line(folder: Path, name: str) -> str:
    """A page's title and first sentence, as its head says them."""
    path = f"{name}.html"
    text = (folder / path).read_text(encoding="utf-8")
    head = dict(re.findall(r'<meta property="og:(title|description)" content="([^"]*)"', text))
    said = html.unescape(head.get("description", ""))
    return f"- [{html.unescape(head.get('title', name))}]({path})" + (f": {said}" if said else "")
