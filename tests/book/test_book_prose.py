"""Typed numbers: what only a run can have given is found, wherever it stands; what names or defines is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oversmooth_book.check.prose import typed_numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (
            "192 times, a 12-fold gain, 3 orders of magnitude.",
            ["192 times", "12-fold", "3 orders of magnitude"],
        ),
        ("In 14 of 20 runs, 3 out of the 5, and a factor of 8.", ["14 of 20", "3 out of the 5", "factor of 8"]),
        ("It took 48 seconds, 75 s, 120 ms and 2 GB.", ["48 seconds", "75 s", "120 ms", "2 GB"]),
        ("The plateau lasts about 400 steps, nearly 1,200.", ["about 400", "nearly 1,200"]),
        ("Rounding is 10⁻¹⁶, or 10^-16, or 10**-16, or 1e-16.", ["10⁻¹⁶", "10^-16", "10**-16", "1e-16"]),
        ("A gap of .75, of 5 percentage points and 3 ‰.", [".75", "5 percentage points", "3 ‰"]),
        ("Layer 3 of 41, row 2 of 6, all weights times 3, depth 64, 50 steps, 400 nodes, above 1.", []),
        ("In 2026, Figure 1, Fig. 2.1, Equation 3.2, Theorem 1, Section 4.5, claims 2 and 3, almost 1.", []),
        ("1. First.\n2. Second, from 8 to 32 layers.\n\n- `10 times`, $10$ times, {glue:text}`x` times.", []),
        ("The 4-cycle, 2 of them, 3 s-shaped curves in float64, x2 and 5th.", []),
    ],
)
def test_whole_numbers_that_were_measured(text, numbers):
    assert typed_numbers(text) == numbers


digits = st.integers(2, 99999).map(str)
decimals = st.floats(0.001, 999, allow_nan=False).map(lambda value: f"{value:.3f}")
units = st.sampled_from([" %", "%", " per cent", "e-3", " times", "-fold", " seconds", " ms"])
measured = st.one_of(
    decimals,
    decimals.map(lambda text: "-" + text),
    st.tuples(digits, st.sampled_from([" %", "%", " per cent", "e-3", " times", "-fold", " seconds", " ms"])).map(
        "".join
    ),
    st.tuples(digits, digits).map(" of ".join),
    digits.map("factor of {}".format),
    digits.filter(lambda text: len(text) > 1).map("about {}".format),
)
harmless = st.one_of(
    st.integers(1900, 2100).map("in {}".format),
    st.tuples(st.sampled_from(["$", "`", "$$"]), decimals).map(lambda pair: pair[0] + pair[1] + pair[0]),
    st.tuples(st.sampled_from(["Figure", "Section", "Theorem", "arXiv:", "Python"]), decimals).map(" ".join),
    st.tuples(st.sampled_from(["depth", "layer", "width", "row", "claim", "item"]), digits).map(" ".join),
    st.tuples(digits, st.sampled_from(["nodes", "steps", "seeds", "layers", "classes"])).map(" ".join),
    decimals.map("{{glue:text}}`x{}`".format),
    decimals.map("[text](page-{}.html)".format),
    decimals.map("<!-- {} -->".format),
    st.sampled_from(["words", "the rate", "*emphasis*", "(yes)", "{cite:t}`keriven2026`"]),
    decimals.map("\n\n```python\nx = {}\n```\n\n".format),
    decimals.map("\n\n:::{{note}}\nNo number.\n\n$$\n{}\n$$\n:::\n\n".format),
)


@given(
    st.lists(st.tuples(st.booleans(), measured, harmless), max_size=8),
    st.sampled_from([" and ", "; ", ", then\n", " (as) "]),
)
def test_measured_numbers_are_found_among_harmless_ones(parts, joint):
    pieces = [number if is_measured else other for is_measured, number, other in parts]
    text = "It is " + joint.join(pieces) + " so."
    assert typed_numbers(text) == [number for is_measured, number, _ in parts if is_measured]


@given(st.text(alphabet=st.characters(codec="utf-8")) | st.text(alphabet="`$:{}~<>-%0.1e \n"))
def test_any_text_is_read(text):
    assert all(number.strip() == number and number for number in typed_numbers(text))
