"""The blueprint: what the book proves, measures and computes, and what rests on what, as one SVG without a script.

A box is a theorem, a lemma or a statement of the paper; an arrow leads from what is used to what uses it. In each box a
square is a claim that bears on it, a disc a test. Colours are states; names and sentences are titles and labels, for
pointer and screen reader, and every mark is a link that a keyboard reaches.
"""

from html import escape
from textwrap import wrap

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FAIL, NOT_RUN, PROVED
from oversmooth_book.book.statements import Evidence, Statement, require_sound
from oversmooth_book.check.statements import stated_and_proved
from oversmooth_book.show.pages import Page

WIDTH, GAP_X, GAP_Y, PADDING, LINE, MARK, LETTERS = 208, 74, 18, 10, 17, 15, 27
PER_ROW = (WIDTH - 2 * PADDING) // MARK
LEGEND = (
    ("proved", "box: proved in the text"),
    ("paper", "box: a statement of the paper"),
    ("tested", "disc: a test of the mathematics, by another road"),
    ("measured", "square: measured by a chapter"),
    ("computed", "square: PROVED by computation"),
)


def blueprint(book: Book, pages: dict[str, Page]) -> str:
    """The blueprint as a raw block of MyST.

    Args:
        book: the book.
        pages: the chapters as they will be shown.

    Returns:
        MyST text.

    Raises:
        BookError: if a row rests on itself, or names a theorem or a claim that is none.
    """
    rows, texts = book.blueprint, stated_and_proved(book)
    require_sound(rows, book.claims)
    columns = _columns(rows)
    boxes, height = _places(rows, columns)
    arrows = [_arrow(boxes[used], boxes[name]) for name, row in rows.items() for used in row.uses]
    drawn = [_box(book, pages, rows[name], place, *texts) for name, place in boxes.items()]
    width = len(columns) * (WIDTH + GAP_X) - GAP_X + 4
    words = "Theorems, lemmas and statements of the paper as boxes, with arrows from what is used to what uses it."
    svg = (
        f'<svg viewBox="-2 -2 {width} {height + 4}" width="{width}" height="{height + 4}" role="group" '
        f'aria-label="{words} Each box and mark is a link.">{"".join(arrows)}{"".join(drawn)}</svg>'
    )
    keys = "".join(f'<li class="{state}">{text}</li>' for state, text in LEGEND)
    return f'```{{raw}} html\n<div class="blueprint" tabindex="0"><ul>{keys}</ul>{svg}</div>\n```'


def _columns(rows: dict[str, Evidence]) -> list[list[str]]:
    """Names from left to right: each stands behind all that it uses, the paper's statements in the last column."""
    level = {}
    while len(level) < len(rows):
        ready = [name for name in rows if name not in level and set(rows[name].uses) <= level.keys()]
        level |= {name: max((level[used] + 1 for used in rows[name].uses), default=0) for name in ready}
    last = max(level.values())
    level |= {name: last for name, row in rows.items() if isinstance(row, Statement)}
    return [[name for name in rows if level[name] == column] for column in range(last + 1)]


def _places(rows, columns):
    """Name to (x, y, height) of its box, and the height of all."""
    heights = {name: _height(row) for name, row in rows.items()}
    tall = [sum(heights[name] + GAP_Y for name in column) - GAP_Y for column in columns]
    boxes = {}
    for number, column in enumerate(columns):
        y = (max(tall) - tall[number]) / 2
        for name in column:
            boxes[name] = (number * (WIDTH + GAP_X), round(y), heights[name])
            y += heights[name] + GAP_Y
    return boxes, max(tall)


def _height(row):
    marks = len(row.claims) + len(row.tests)
    return 2 * PADDING + LINE * len(_title(row)) + MARK * -(-marks // PER_ROW) + (5 if marks else 0)


def _title(row):
    return wrap(f"{row.number}. {row.title or row.text.strip()}" if isinstance(row, Statement) else row.text, LETTERS)


def _arrow(start, end):
    """A curve from the right side of one box to the left side of another."""
    x, y, u, v = start[0] + WIDTH, start[1] + start[2] / 2, end[0] - 5, end[1] + end[2] / 2
    bend = max((u - x) / 2, 30)
    head = f"M {u} {v - 4} L {u + 5} {v} L {u} {v + 4} Z"
    return f'<path class="way" d="M {x} {y} C {x + bend} {y}, {u - bend} {v}, {u} {v}"/><path class="head" d="{head}"/>'


def _box(book, pages, row, place, stated, proved):
    x, y, height = place
    lines = _title(row)
    text = "".join(f'<tspan x="{x + PADDING}" dy="{LINE}">{escape(line)}</tspan>' for line in lines)
    kind = "paper" if isinstance(row, Statement) else "proved" if row.name in proved else "stated"
    state = {"paper": "a statement of the paper", "proved": "proved in the text", "stated": "stated"}[kind]
    title = escape(f"{row.name}: {row.text.strip()} ({state})")
    head = (
        f'<a href="{_address(row, stated)}" aria-label="{title}"><title>{title}</title>'
        f'<rect class="{kind}" x="{x}" y="{y}" width="{WIDTH}" height="{height}" rx="7"/>'
        f'<text x="{x + PADDING}" y="{y + PADDING - 4}">{text}</text></a>'
    )
    marks = [_claim(book.claims[name], pages) for name in row.claims] + [_test(name) for name in row.tests]
    top = y + PADDING + LINE * len(lines) + 5
    placed = [mark(x + PADDING + MARK * (k % PER_ROW), top + MARK * (k // PER_ROW)) for k, mark in enumerate(marks)]
    return head + "".join(placed)


def _address(row, stated):
    if isinstance(row, Statement):
        return f"#{row.label}"
    return f"{stated.get(row.name, '')}.html#{row.name}"


def _claim(claim, pages):
    verdict = pages[claim.chapter].judge(claim)[1]
    state = {PROVED: "computed", FAIL: "failed", NOT_RUN: "missing"}.get(verdict, "measured")
    title = escape(f"{claim.id}: {claim.statement.strip()} {verdict}")
    return lambda x, y: (
        f'<a href="claims.html#claim-{claim.id.lower()}" aria-label="{title}"><title>{title}</title>'
        f'<rect class="{state}" x="{x}" y="{y}" width="11" height="11" rx="1.5"/></a>'
    )


def _test(name):
    title = escape(f"test {name.rpartition('::')[2].removeprefix('test_').replace('_', ' ')}")
    return lambda x, y: f'<circle class="tested" cx="{x + 5.5}" cy="{y + 5.5}" r="5.5"><title>{title}</title></circle>'
