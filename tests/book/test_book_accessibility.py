"""axe-core finds no violation, of whatever severity, on any page, light or dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import pages

from oversmooth_book.sphinx.theme import mend

# All that the dark page does not share with the light one.
OF_COLOUR = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def violations(page, rules=None):
    """What axe-core complains of, as text: all of its rules, or the ones asked for."""
    asked = {"resultTypes": ["violations"], **(rules or {})}  # to list all that is in order takes twice as long
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for rule in Axe().run(page, options=asked).response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(("mode", "rules"), [("light", None), ("dark", OF_COLOUR)])
def test_no_page_has_a_violation(site, visit, mode, rules):
    open_page, _ = visit
    found = {}
    for path in pages(site):
        page = open_page(path.relative_to(site).as_posix(), mode=mode)
        assert page.evaluate("document.documentElement.dataset.theme") == mode
        found[path.name] = violations(page, rules)
        page.context.close()
    assert len(found) > 8
    assert {name: list_ for name, list_ in found.items() if list_} == {}


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_sees_a_violation_that_is_put_there(visit, mode):
    open_page, _ = visit
    page = open_page("chapters/notation.html", mode=mode)
    wrong = '<img src=x><p style="color: #888; background: #999">too pale</p>'
    page.evaluate("html => document.querySelector('article').insertAdjacentHTML('beforeend', html)", wrong)
    assert "color-contrast" in " ".join(violations(page, OF_COLOUR))
    found = " ".join(violations(page))
    assert "image-alt" in found and "color-contrast" in found


def test_references_are_items_of_their_list():
    assert mend('<div role="list"><div role="doc-biblioentry">') == '<div role="list"><div role="listitem">'


def test_an_empty_head_is_a_cell():
    table = '<tr><th></th><th class="head"><p></p></th><th>depth</th><th scope="row"> </th></tr>'
    assert mend(table) == '<tr><td></td><td class="head"></td><th>depth</th><td scope="row"></td></tr>'
