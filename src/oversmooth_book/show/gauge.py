"""A claim's value against its threshold, as a small picture: a scale, the part of it that is asked for, and a mark.

Where a number is only known to lie between two powers of ten, or to be at most so much, the mark is as wide as that.
"""

import html
import math
from dataclasses import dataclass

from oversmooth_book.book.claims import ROUNDING, Claim, short
from oversmooth_book.book.proved import AT_LEAST, AT_MOST, Proved

# Numbers that differ by more than this factor are drawn on a logarithmic scale.
WIDE = 20.0
# Numbers that differ by less than this share are drawn on a scale that does not begin at zero.
NEAR = 0.08


@dataclass(frozen=True)
class Scale:
    """A scale from one number to another."""

    low: float
    high: float
    logarithmic: bool

    def place(self, number: float) -> float:
        """Where a number stands, in percent of the scale's length; what lies beyond an end stands at the end."""
        if self.logarithmic:
            shares = [math.log10(max(point, self.low)) for point in (self.low, number, self.high)]
        else:
            shares = [self.low, number, self.high]
        share = (shares[1] - shares[0]) / (shares[2] - shares[0])
        return round(100 * min(1.0, max(0.0, share)), 1)


def gauge(claim: Claim, value: float | None) -> str:
    """The gauge of a claim.

    Args:
        claim: the claim.
        value: what was measured; None draws the scale without a mark.

    Returns:
        HTML, with all that it shows as its label.
    """
    scale, ends = scale_of(claim, value), marked(claim, value)
    low, high = (scale.place(end) for end in asked(claim, scale))
    exactly = " exactly" if low == high else ""
    parts = [f'<span class="gauge-asked{exactly}" style="left:{low:g}%;width:{high - low:g}%"></span>']
    parts += [f'<span class="gauge-threshold" style="left:{scale.place(end):g}%"></span>' for end in claim.ends]
    if ends:
        start, end = (scale.place(one) for one in ends)
        verdict = "" if claim.holds(value) else " failed"
        parts.append(f'<span class="gauge-mark{verdict}" style="left:{start:g}%;width:{end - start:g}%"></span>')
    kind = "logarithmic" if scale.logarithmic else "linear"
    words = claim.measured(value) if value is not None else f"not run, needed {claim.condition()}"
    label = f"Scale, {kind}, from {short(scale.low)} to {short(scale.high)}: {words}."
    names = [short(scale.low), "logarithmic" if scale.logarithmic else "", short(scale.high)]
    legend = "".join(f"<span>{name}</span>" for name in names)
    return (
        f'<div class="gauge" role="img" aria-label="{html.escape(label)}">'
        f'<div class="gauge-scale">{"".join(parts)}</div>'
        f'<div class="gauge-ends" aria-hidden="true">{legend}</div></div>'
    )


def marked(claim: Claim, value: float | None) -> tuple[float, float] | None:
    """From where to where the mark goes: what a reader may know of the value.

    Args:
        claim: the claim.
        value: what was measured.

    Returns:
        Two numbers, equal for a number that is known; an end may be infinite. None for no finite value.
    """
    if value is None or not math.isfinite(value):
        return None
    if isinstance(value, Proved):
        known = float(value) if claim.digits or not claim.holds(value) else float(claim.threshold)
        return {AT_MOST: (-math.inf, known), AT_LEAST: (known, math.inf)}.get(value.side, (known, known))
    shown = claim.show(value)
    if shown.startswith("below"):
        return -math.inf, float(shown.removeprefix("below "))
    if " to " in shown:
        return tuple(float(end) for end in shown.split(" to "))
    return float(value), float(value)


def scale_of(claim: Claim, value: float | None) -> Scale:
    """A scale on which a claim's thresholds and its value can be seen.

    Args:
        claim: the claim.
        value: what was measured; None for the thresholds alone.

    Returns:
        The scale: from zero if it can be; by powers of ten where the numbers differ by more than `WIDE`, or one is
        only known to be tiny; around the numbers where they nearly agree.
    """
    ends = marked(claim, value) or ()
    numbers = [*claim.ends, *(end for end in ends if math.isfinite(end))]
    low, high = min(numbers), max(numbers)
    tiny = -math.inf in ends and high < 100 * ROUNDING
    if low > 0 and (high > WIDE * low or tiny):
        return Scale(10.0 ** (math.floor(math.log10(low)) - 1), 10.0 ** (math.ceil(math.log10(high)) + 1), True)
    spread = high - low
    if low > 0 and 0 < spread < NEAR * high:
        step = 10.0 ** math.floor(math.log10(spread))
        start, end = math.floor((low - 2 * spread) / step), math.ceil((high + 2 * spread) / step)
        return Scale(step * start, step * end, False)
    start = -_round_up(-1.25 * low) if low < 0 else 0.0
    # A count that must be zero, and is: one would be wrong.
    return Scale(start, _round_up(1.25 * high) if high > 0 else float(low == 0), False)


def asked(claim: Claim, scale: Scale) -> tuple[float, float]:
    """The part of a scale whose numbers uphold a claim."""
    ends = claim.ends
    below, above = claim.comparison in ("<", "<="), claim.comparison in (">", ">=")
    return scale.low if below else ends[0], scale.high if above else ends[-1]


def _round_up(number: float) -> float:
    """The next number of one digit, or one and a half times a power of ten."""
    step = 10.0 ** math.floor(math.log10(number))
    return next(step * digit for digit in (1, 1.5, *range(2, 11)) if number <= step * digit * (1 + 1e-9))
