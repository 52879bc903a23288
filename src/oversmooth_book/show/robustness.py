"""The page of the attack: for every finding the specification curve, in words and as a figure."""

import math
import shutil
from itertools import zip_longest
from pathlib import Path

from oversmooth_book.attack.attacker import FIRST_SEED, SEEDS
from oversmooth_book.attack.robustness import FILE, Robustness
from oversmooth_book.attack.variations import in_words
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FINDING
from oversmooth_book.show.entries import robustness_of
from oversmooth_book.show.pages import link

FOLDER = "robustness"
COLUMNS = 3
# Values that differ by more than this factor are drawn on a logarithmic axis.
WIDE = 30.0


def robustness_count(book: Book) -> str:
    """How many findings were attacked, and how many of them hold wherever they claim to, in one sentence.

    Args:
        book: the book.

    Returns:
        The sentence.
    """
    attacked = robustness_of(book)
    if not attacked:
        return "No finding has been attacked yet."
    findings = [claim for claim in book.claims.values() if claim.kind == FINDING]
    whole = sum(all(trial.holds for trial in found.inside) for found in attacked.values())
    return (
        f"{len(attacked)} of {len(findings)} findings were attacked; "
        f"{whole} of them hold in every variation that their domain admits."
    )


def robustness_sections(book: Book) -> str:
    """What the attack found, chapter by chapter, as MyST.

    Args:
        book: the book.

    Returns:
        MyST text, with the images that `draw_robustness` makes, and at the end what was not attacked; empty if
        nothing was.
    """
    attacked, parts = robustness_of(book), []
    for chapter, found in by_chapter(attacked).items():
        alt = f"{len(found)} small charts, one a finding: its values under all variations, sorted, and its threshold."
        parts += [f"## {{doc}}`{chapter}`", f":::{{figure}} /{FOLDER}/{chapter}.png\n:alt: {alt}\n:::"]
        parts.append(_provenance(chapter))
        parts += [_entry(robustness) for robustness in found]
    return "\n\n".join(parts + _not_attacked(book, attacked) if attacked else [])


def _not_attacked(book: Book, attacked: dict[str, Robustness]) -> list[str]:
    """The findings that were measured once, chapter by chapter: a title, a sentence and a list, or nothing."""
    lines = []
    for chapter in book.profiles.values():
        left = [link(claim) for claim in book.claims_of(chapter) if claim.kind == FINDING and claim.id not in attacked]
        lines += [f"- {{doc}}`{chapter.name}`: {', '.join(left)}"] if left else []
    said = (
        "Measured where their chapters say, and nowhere else: facts about a graph, what costs too much to repeat, and "
        "what did not survive other draws and is claimed of those it was measured on."
    )
    return ["## Not attacked", said, "\n".join(lines)] if lines else []


def by_chapter(attacked: dict[str, Robustness]) -> dict[str, list[Robustness]]:
    """The same, by the chapter that claims it."""
    found = {}
    for robustness in attacked.values():
        found.setdefault(robustness.claim.chapter, []).append(robustness)
    return found


def _provenance(chapter: str) -> str:
    return (
        f":::{{div}} provenance\nNetworks of seeds {FIRST_SEED} to {FIRST_SEED + SEEDS['published'] - 1}, fewer where "
        "training is dear; measured by `python -m oversmooth_book attack`. "
        f"Drawn from {{download}}`{FILE} </{FOLDER}/{chapter}/{FILE}>`.\n:::"
    )


def _entry(found: Robustness) -> str:
    domain = in_words(found.claim.domain or {}) or "no bounds"
    text = f"- {link(found.claim)} {found.claim.statement.strip()} Domain: {domain}. It {found.sentence()}."
    failed = [trial for trial in found.outside if not trial.holds]
    if found.outside:
        text += f" Outside the domain it {'fails at ' + found.named(failed) if failed else 'holds, too'}."
    return text.replace("\n", " ")


def draw_robustness(book: Book, folder: Path) -> None:
    """One image for each chapter that was attacked, and the table behind it.

    Args:
        book: the book.
        folder: where they go; made if there is anything to draw.
    """
    import matplotlib.pyplot as plt

    for chapter, found in by_chapter(robustness_of(book)).items():
        (folder / chapter).mkdir(parents=True, exist_ok=True)
        shutil.copy(book.published(chapter) / FILE, folder / chapter / FILE)
        figure = specification_curves(found)
        figure.savefig(folder / f"{chapter}.png")
        plt.close(figure)


def specification_curves(attacked: list[Robustness]):
    """A panel for each finding: its values, sorted; filled where its domain admits them; its threshold, dashed.

    Args:
        attacked: the findings of a chapter.

    Returns:
        The figure.
    """
    import oversmooth as osm
    from oversmooth.drawing.theme import set_theme

    set_theme()
    figure, _ = osm.panels(rows=math.ceil(len(attacked) / COLUMNS), columns=COLUMNS, height=2.2)
    for ax, found in zip_longest(figure.axes, attacked):
        if found is None:
            ax.set_axis_off()
        else:
            _curve(ax, found)
    return figure


def _curve(ax, found: Robustness) -> None:
    from oversmooth.drawing.theme import SERIES

    trials = sorted((trial for trial in found.trials if math.isfinite(trial.value)), key=lambda trial: trial.value)
    for inside, holds, style in (
        (True, True, {"color": SERIES[0], "marker": "o"}),
        (True, False, {"color": SERIES[2], "marker": "X"}),
        (False, True, {"facecolors": "none", "edgecolors": "0.55", "marker": "o"}),
        (False, False, {"facecolors": "none", "edgecolors": "0.55", "marker": "X"}),
    ):
        points = [(rank, t.value) for rank, t in enumerate(trials) if (t.inside, t.holds) == (inside, holds)]
        if points:
            ax.scatter(*zip(*points, strict=True), s=14, zorder=3, **style)
    thresholds = found.claim.ends
    for end in thresholds:
        ax.axhline(end, linestyle="--", color="0.3", linewidth=1)
    values = [trial.value for trial in trials] + thresholds
    if min(values) > 0 and max(values) > WIDE * min(values):
        ax.set_yscale("log")
    ax.set(title=found.claim.id, xlabel="variations, sorted", xticks=[])
