"""What poster and slides share: words with the committed book's values, its figures, a file that fetches nothing.

The words stand in ``poster.yml`` and ``slides.yml``, in Markdown. A number is never typed there: ``{PV1}`` stands for
what the claim PV1 measured, as the pages show it, and must hold in the committed book.
"""

import base64
import functools
import html
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.figures import is_figure
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.book.records import outputs_differ, read_record
from oversmooth_book.book.strict_yaml import read_yaml
from oversmooth_book.show import picture, tour
from oversmooth_book.show.cards import counted_claims
from oversmooth_book.show.letters import letters
from oversmooth_book.show.pages import COMMITTED, Page, read_pages

FOLDER = Path(__file__).parent
PICTURE = "picture"
# A claim's value, how all claims came out, whose runs the values are, where the book can be read.
PLACE = re.compile(r"\{([A-Z]+\d+|claims|provenance|address)\}")
# Nothing but what the file itself holds.
POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass
class Takeaway:
    """The committed book, and which of its claims have been shown so far."""

    book: Book
    shown: list[str] = field(default_factory=list)

    def __post_init__(self):
        for name in self.book.profiles:
            folder = self.book.published(name)
            record = read_record(folder)
            if record is None or outputs_differ(folder, record):
                raise BookError(f"{name}: its committed outputs are not those of a run: call oversmooth-book check")

    @functools.cached_property
    def pages(self) -> dict[str, Page]:
        """The chapters as the repository has them."""
        return read_pages(self.book, COMMITTED)

    @property
    def published(self) -> Path:
        """Where the pictures' data lie."""
        return self.book.root / "data" / "published"

    def words(self, text: str) -> str:
        """A text of the templates as HTML, the claims' values filled in.

        Args:
            text: Markdown on one line, ``{ID}`` for a claim's value, ``{claims}`` for the counts of all,
                ``{provenance}`` for the runs of what was shown before, ``{address}`` for the book's.

        Returns:
            HTML; every value is a ``b.measured`` that names its claim, with † behind it where it is ours.

        Raises:
            BookError: if a claim is none, or does not hold in the committed book.
        """
        from markdown_it import MarkdownIt

        return PLACE.sub(lambda found: self._value(found[1]), MarkdownIt("commonmark").renderInline(text.strip()))

    def _value(self, name: str) -> str:
        if name == "claims":
            return counted_claims(self.book, self.pages)
        if name in ("provenance", "address"):
            return self.provenance() if name == "provenance" else self.address
        if name not in self.book.claims:
            raise BookError(f"a takeaway shows {name}: no such claim in claims.yml")
        claim = self.book.claims[name]
        page = self.pages[claim.chapter]
        value, verdict, _ = page.judge(claim)
        if not page.holds(claim):
            raise BookError(f"a takeaway shows {name}, which is {verdict} in the committed book: show another claim")
        self.shown.append(name)
        mark = "†" if "†" in claim.paper else ""
        return f'<b class="measured" data-claim="{name}">{html.escape(claim.show(value))}</b>{mark}'

    def drawing(self, name: str) -> str:
        """A figure as HTML that needs no other file: of a chapter, of the tour, or the book's picture.

        Args:
            name: a figure's name, ``tour-`` and a picture of the tour, or ``picture``.

        Returns:
            HTML with the alternative text that the book has.

        Raises:
            BookError: if the committed book does not have it.
        """
        try:
            if name == PICTURE:
                return picture.picture_html(picture.read(self.published))
            if name.removeprefix("tour-") in tour.ALTS:
                return tour.tour_picture(name.removeprefix("tour-"), tour.read(self.published))
        except FileNotFoundError as error:
            missing = Path(error.filename).name
            raise BookError(f"data/published/{missing} is missing: call python scripts/picture.py") from None
        return self._image(name)

    def _image(self, name: str) -> str:
        page = next((page for page in self.pages.values() if name in page.images), None)
        if page is None:
            raise BookError(f"the committed book has no figure {name}")
        file, image = page.images[name]
        if not image:
            raise BookError(
                f"{page.chapter.name}: the figure {name} has not been drawn: run the chapter and publish it"
            )
        alt = html.escape(" ".join(self._alt(page, name).split()))
        kind = "svg+xml" if file.endswith(".svg") else "png"
        data = base64.b64encode(image).decode()
        return f'<img class="figure {_shape(image)}" alt="{alt}" src="data:image/{kind};base64,{data}">'

    def _alt(self, page: Page, name: str) -> str:
        cells = filter(is_figure, read_notebook(page.notebook).cells)
        said = {cell.metadata["mystnb"]["figure"].get("name"): cell.metadata["mystnb"] for cell in cells}
        return said[name].get("image", {}).get("alt", "")

    def heading(self, page: str) -> str:
        """The title of a page of the book.

        Args:
            page: its name in ``chapters/``.

        Returns:
            Text.

        Raises:
            BookError: if there is no such page.
        """
        path, notebook = self.book.chapters / f"{page}.md", self.book.notebook(page)
        if not path.is_file() and not notebook.is_file():
            raise BookError(f"the book has no page {page}")
        text = path.read_text("utf-8") if path.is_file() else read_notebook(notebook).cells[0].source
        return re.search(r"(?m)^# (.+)$", text)[1].strip()

    def provenance(self) -> str:
        """Which runs the values shown so far come from, in one sentence: profile, dates, commits."""
        claims = dict.fromkeys(self.shown)
        records = [self._record(name) for name in claims]
        days = sorted({record["started"][:10] for record in records})
        profiles = ", ".join(sorted({record["profile"] for record in records}))
        commits = dict.fromkeys((record["commit"] or "unknown")[:7] for record in records)
        named = ", ".join(f"<code>{commit}</code>" for commit in commits)
        when = " to ".join(dict.fromkeys((days[0], days[-1])))
        return f"Numbers: the book's committed runs of {when}, profile {profiles}, commits {named}."

    def _record(self, name: str) -> dict:
        claim = self.book.claims[name]
        return self.pages[claim.chapter].deciding(claim).record

    @property
    def address(self) -> str:
        """Where the book can be read, as HTML; empty if its configuration does not say."""
        url = (read_yaml(self.book.root / "_config.yml").get("html") or {}).get("baseurl", "")
        return f'<a href="{html.escape(url)}">{html.escape(url)}</a>' if url else ""


def _shape(image: bytes) -> str:
    """How a figure lies on a slide: "wide", above its lines, or "tall", beside them."""
    with Image.open(io.BytesIO(image)) as drawn:
        return "wide" if drawn.width > 1.7 * drawn.height else "tall"


def document(book: Book, title: str, name: str, body: str, script: str = "") -> str:
    """One HTML file that needs no other.

    Args:
        book: the book, whose style the pictures have.
        title: of the document, plain text.
        name: of the style sheet beside this module.
        body: HTML.
        script: JavaScript, to run at the end.

    Returns:
        HTML.
    """
    drawings = (book.chapters / "_static" / "picture.css").read_text("utf-8")
    style = f"{letters(title + body)}\n{drawings}\n{(FOLDER / name).read_text('utf-8')}"
    return (
        f'<!doctype html>\n<html lang="en-GB"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{POLICY}"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{style}</style></head>\n<body>{body}{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )
