"""One thing has one colour in all figures; style sheets cannot read the theme: a change of it must reach them all."""

import re
from collections import defaultdict

import pytest
from miniature import REPOSITORY
from test_book_vectors import FILES, tags

from oversmooth.drawing.theme import BACKWARD, FORWARD

# How many of the theme's two kept colours each repeats.
REPEATED = {
    "chapters/_static/book.css": 2,
    "chapters/_static/picture.css": 2,
    "src/oversmooth_book/sphinx/assets/explore.js": 2,
    "src/oversmooth_book/sphinx/assets/machine/machine.css": 2,
    "src/oversmooth_book/show/picture.py": 2,
    "src/oversmooth_book/show/poster.css": 2,
    "src/oversmooth_book/show/slides.css": 2,
    "src/oversmooth_book/show/print.css": 1,
}


@pytest.mark.parametrize("sheet", REPEATED)
def test_style_sheets_repeat_the_theme_s_colours(sheet):
    text = (REPOSITORY / sheet).read_text(encoding="utf-8")
    assert not [colour for colour in (FORWARD, BACKWARD)[: REPEATED[sheet]] if colour not in text]


def entries(svg):
    """Words of every entry of a figure's legends, and the colour of the line or mark before them."""
    for legend in tags(svg).find_all("g", id=re.compile("^legend[-_]")):
        colour = None
        for tag in legend.find_all(["path", "use", "text"]):
            if tag.name == "text":
                yield " ".join(tag.get_text().split()), colour
                colour = None
            elif stroke := re.search(r"stroke: (?!#ffffff|#cccccc)(#\w+)", tag.get("style", "")):  # no halo, no frame
                colour = colour or stroke.group(1)


def test_a_word_of_the_legends_has_one_colour_in_all_figures():
    seen = defaultdict(lambda: defaultdict(set))
    for file in FILES:
        for words, colour in entries(file.read_text(encoding="utf-8")):
            seen[words][colour].add(file.stem)
    assert sum(len(set().union(*colours.values())) > 1 for colours in seen.values()) > 40  # words of several figures
    # "measured" is what a panel says beside "predicted": its colour is the network's.
    assert not {words: dict(found) for words, found in seen.items() if len(found) > 1 and words != "measured"}
