"""Tests that share what is expensive run in one process."""

from together import PAGES, Together, group


def test_groups_are_those_that_pytest_knows(request):
    """In this process pytest knows which fixtures every test needs; the one that hands them out reads the files."""
    for item in request.session.items:
        assert (group(item.nodeid) == "pages") == bool(PAGES & set(getattr(item, "fixturenames", ()))), item.nodeid


def test_a_group_goes_to_one_process():
    here = "tests/book/test_book_rounding.py"
    planted = f"{here}::test_a_planted_fault_turns_the_committed_outputs_red_under_a_replica[glued]"
    assert group(planted) == group(f"{here}::test_what_a_replica_changes_is_refused_and_nothing_else") == here
    assert group("tests/book/test_book_html.py::test_figures_are_shown") == "pages"
    alone = "tests/book/test_book_html.py::test_the_quick_book_runs_and_builds"
    assert Together._split_scope(None, alone) == alone
