"""attack: measure findings under every variation, on all cores or a cluster, and say where each of them holds."""

import math
from functools import partial
from pathlib import Path

import msgspec

import oversmooth as osm
from oversmooth_book.attack.recipes import Recipe, recipe_of
from oversmooth_book.attack.robustness import Robustness, Trial, read_robustness, weak, write_robustness
from oversmooth_book.attack.variations import Variation, admits, read_variations
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FINDING, Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.fingerprints import attack_fingerprint
from oversmooth_book.run.runner import locked

# Thresholds were set on networks of seeds 0 to 9.
FIRST_SEED = 10
SEEDS = {"quick": 2, "published": 8, "full": 20}
# The quick attack looks at so many of the variations, spread over the list.
QUICK = 6


def attack(book: Book, ids=(), profile: str = "published", jobs: int = -1, cluster=None, say=print) -> list[str]:
    """Measure findings under the variations of variations.yml; what was measured before is not measured again.

    The published profile writes ``data/published/<chapter>/robustness.csv``, any other ``_build/<profile>/attack/``.

    Args:
        book: the book.
        ids: of findings; none means all that can be attacked.
        profile: how many networks, and, if quick, how few variations.
        jobs: processes; -1 takes every core.
        cluster: address of a Dask scheduler whose workers measure instead, or None.
        say: takes one line of report at a time.

    Returns:
        The findings that hold in too few variations of their own domain, one sentence each.

    Raises:
        BookError: if an id is no finding, or a finding cannot be attacked that was named.
    """
    variations, found = read_variations(book.chapters / "variations.yml"), {}
    if profile == "quick":
        variations = variations[:: math.ceil(len(variations) / QUICK)]
    with locked(book, profile):
        for chapter, (recipe, claims) in _targets(book, ids, say).items():
            measured = _measure(book, chapter, recipe, claims, variations, profile, jobs, cluster)
            place = _place(book, profile, chapter)
            kept = read_robustness(place, book.claims) | measured
            order = [claim.id for claim in book.claims.values() if claim.id in kept]
            write_robustness(place, {claim_id: kept[claim_id] for claim_id in order})
            found |= measured
            for claim_id, robustness in measured.items():
                say(f"{claim_id}: {robustness.sentence()}")
    return weak(found)


def _place(book: Book, profile: str, chapter: str) -> Path:
    return book.published(chapter) if profile == "published" else book.build(profile) / "attack" / chapter


def _targets(book: Book, ids, say) -> dict[str, tuple[Recipe, list[Claim]]]:
    """Chapter to its recipe and its findings that are to be attacked."""
    unknown = [name for name in ids if name not in book.claims or book.claims[name].kind != FINDING]
    if unknown:
        raise BookError(f"no findings: {', '.join(unknown)}; claims.yml says which claims are (kind: {FINDING})")
    targets, refused = {}, []
    for chapter in book.profiles.values():
        findings = [
            claim for claim in book.claims_of(chapter) if claim.kind == FINDING and claim.id in (ids or [claim.id])
        ]
        recipe = recipe_of(chapter.name) if findings else None
        ready = [claim for claim in findings if recipe and claim.domain is not None and not recipe.lacking(claim)]
        refused += [claim.id for claim in findings if claim not in ready]
        if ready:
            targets[chapter.name] = recipe, ready
    if refused and ids:
        raise BookError(
            f"{', '.join(refused)} cannot be attacked: a domain in claims.yml is needed, and in the chapter's "
            "experiments a module attack.py that measures every table the finding reads"
        )
    if refused:
        say(f"not attacked, for want of a domain or of measurements that can be varied: {', '.join(refused)}")
    return targets


def _measure(book, chapter, recipe, claims, variations, profile, jobs, cluster) -> dict[str, Robustness]:
    chosen = [variation for variation in variations if recipe.varied_by(variation)]
    ids = [claim.id for claim in claims]
    code = attack_fingerprint(book, chapter)
    run = partial(_cell, chapter, tuple(ids), SEEDS[profile], code)
    grid = [{"name": variation.name, "variation": msgspec.json.encode(variation).decode()} for variation in chosen]
    table = osm.sweep(run, grid, [0], jobs, cluster, cache=book.build(profile) / "attack" / "kept")
    values = {(row.name, row.claim): row.value for row in table.itertuples(index=False)}
    settings = {variation.name: recipe.varied(variation, SEEDS[profile], FIRST_SEED) for variation in chosen}
    found = {}
    for claim in claims:
        trials = [
            Trial(name, admits(claim.domain, setting), values[name, claim.id], claim.holds(values[name, claim.id]))
            for name, setting in settings.items()
        ]
        if not trials[0].inside:  # the unchanged setting
            raise BookError(f"{claim.id}: its domain does not admit the setting in which it is published")
        found[claim.id] = Robustness(claim, tuple(trials))
    return found


def _cell(chapter, ids, num_seeds, code, name, variation, seed):
    """Findings of a chapter under one variation: claim, value. ``code`` is for the sweep's cache, which keys on it."""
    recipe = recipe_of(chapter)
    setting = recipe.varied(msgspec.json.decode(variation, type=Variation), num_seeds, FIRST_SEED)
    return [{"claim": claim_id, "value": value} for claim_id, value in recipe.measure(ids, setting).items()]
