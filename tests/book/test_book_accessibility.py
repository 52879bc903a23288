"""axe-core finds no violation, of whatever severity, on any page, light or dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import pages

from oversmooth_book.sphinx.theme import mend

# To list all that is in order takes twice as long as the rules.
ONLY = {"resultTypes": ["violations"]}


def violations(page):
    """What axe-core complains of, as text."""
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for rule in Axe().run(page, options=ONLY).response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_no_page_has_a_violation(site, visit, mode):
    open_page, _ = visit
    found = {}
    for path in pages(site):
        page = open_page(path.relative_to(site).as_posix(), mode=mode)
        assert page.evaluate("document.documentElement.dataset.theme") == mode
        found[path.name] = violations(page)
        page.context.close()
    assert len(found) > 8
    assert {name: list_ for name, list_ in found.items() if list_} == {}


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_sees_a_violation_that_is_put_there(visit, mode):
    open_page, _ = visit
    page = open_page("chapters/notation.html", mode=mode)
    wrong = '<img src=x><p style="color: #888; background: #999">too pale</p>'
    page.evaluate("html => document.querySelector('article').insertAdjacentHTML('beforeend', html)", wrong)
    found = " ".join(violations(page))
    assert "image-alt" in found and "color-contrast" in found


def test_references_are_items_of_their_list():
    assert mend('<div role="list"><div role="doc-biblioentry">') == '<div role="list"><div role="listitem">'


def test_an_empty_head_is_a_cell():
    table = '<tr><th></th><th class="head"><p></p></th><th>depth</th><th scope="row"> </th></tr>'
    assert mend(table) == '<tr><td></td><td class="head"></td><th>depth</th><td scope="row"></td></tr>'
