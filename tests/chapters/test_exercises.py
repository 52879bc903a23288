"""Every chapter says what a reader will be able to do, and ends with exercises whose answers are computed."""

import re

import pytest

from oversmooth_book.book.book import find_book
from oversmooth_book.book.notebooks import read_notebook

CHAPTERS = list(find_book().profiles)


def cells(chapter):
    return read_notebook(find_book().notebook(chapter)).cells


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_goals_and_what_is_needed_stand_first(chapter):
    opening = cells(chapter)[0].source
    goals = opening[opening.index("After this page you can") :]
    assert len(re.findall(r"^- ", goals.split("\n\n")[1], re.MULTILINE)) == 3
    assert re.search(r"^You need .*?(hour|minutes)", goals, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_three_exercises_each_with_a_folded_solution_and_a_computed_one(chapter):
    found = cells(chapter)
    begin = next(i for i, cell in enumerate(found) if "## Exercises" in cell.source)
    texts = [cell.source for cell in found[begin:] if cell.cell_type == "markdown"]
    code = [cell for cell in found[begin:] if cell.cell_type == "code"]
    solutions = [cell for cell in code if "hide-cell" in cell.metadata.get("tags", [])]
    assert len(solutions) == 3
    for number, solution in enumerate(solutions, start=1):
        assert sum(f"**{number}.** " in text and f":::{{dropdown}} Solution {number}" in text for text in texts) == 1
        assert solution.metadata["mystnb"]["code_prompt_show"] == f"Solution {number}, computed"
        assert "".join(output.get("text", "") for output in solution["outputs"]).strip(), "it prints what it found"
