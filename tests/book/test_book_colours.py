"""Style sheets cannot read the theme; a change of its colours must reach them all."""

import pytest
from miniature import REPOSITORY

from oversmooth.drawing.theme import PALETTE

# How many of the theme's first colours each repeats: of features, GNN; of errors, MLP.
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
    assert not [colour for colour in PALETTE[: REPEATED[sheet]] if colour not in text]
