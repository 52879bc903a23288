"""What becomes of each neighbour's statement: a rule from the verdicts of claims to one word.

CONTRADICTED where a claim that denies the statement passes, or one that reproduces it fails; else QUALIFIED where a
claim that limits it passes, else CONFIRMED; NOT RUN where a claim that decides was not run.
"""

from dataclasses import dataclass

import pandas as pd

from oversmooth_book.book.claims import FAIL, NOT_RUN, PASS, read_values

CONFIRMED, QUALIFIED, CONTRADICTED = "CONFIRMED", "QUALIFIED", "CONTRADICTED"


@dataclass(frozen=True)
class Neighbour:
    """A work, its statement as we read its abstract, and the claims that reproduce, limit or deny it."""

    work: str
    statement: str
    holds: tuple[str, ...]
    limits: tuple[str, ...] = ()
    denies: tuple[str, ...] = ()


NEIGHBOURS = (
    Neighbour("Park et al. 2025", "features that start equal become different: a GCN recovers", ("OB1",), (), ("OB3",)),
    Neighbour("Arroyo et al. 2025", "gradients vanish by design, after a few layers", ("OB5", "OB6"), ("OB7",)),
    Neighbour(
        "Wang et al. 2024; Hou et al. 2026", "corrected rounds err less, until saturation", ("OB8", "OB9"), ("OB10",)
    ),
    Neighbour("Ali et al. 2023", "centred aggregation trains very deep", ("OB11",), ("OB13",)),
    Neighbour(
        "Turan et al. 2026", "an activation that is not monotone keeps features apart", ("OB19",), ("OB17", "OB18")
    ),
    Neighbour("Bison and Sperduti 2025", "the normalised Dirichlet energy breaks an axiom", ("OB20",)),
    Neighbour("Scholkemper et al. 2025", "batch norm: features tend to the leading modes", ("OB22", "OB23"), ("OB24",)),
    Neighbour(
        "Scholkemper et al. 2025, again",
        "a norm had better learn its centring",
        ("OB35",),
        ("OB36", "OB37", "OB38", "OB39"),
    ),
    Neighbour("Guan and He 2025", "Pre-LN: layers without effect; Post-LN: oversmoothing", ("OB25", "OB26", "OB27")),
    Neighbour("Wang et al. 2025 (SPoGInit)", "a searched variance restores the signals", ("OB29",), ("OB30",)),
    Neighbour("Roth and Liebig 2023", "rank collapses whatever the aggregation", ("OB32",)),
    Neighbour("Arnaiz-Rodriguez and Errica 2025", "smooth features need not classify worse", ("OB8", "OB33")),
)


def verdict(neighbour, found):
    """One word for a neighbour.

    Args:
        neighbour: the `Neighbour`.
        found: claim id to PASS, FAIL or NOT RUN.

    Returns:
        CONFIRMED, QUALIFIED, CONTRADICTED or NOT RUN.
    """
    holds, limits, denies = (
        [found[name] for name in names] for names in (neighbour.holds, neighbour.limits, neighbour.denies)
    )
    if NOT_RUN in holds + limits + denies:
        return NOT_RUN
    if PASS in denies or FAIL in holds:
        return CONTRADICTED
    return QUALIFIED if PASS in limits else CONFIRMED


def table(run):
    """The neighbours and their verdicts in a run: work, statement, reproduced, limited, denied (claim ids), verdict.

    Args:
        run: `oversmooth_book.chapter.Started`, whose claims have their values.

    Returns:
        A DataFrame.
    """
    values = read_values(run.folder / "claims.json")
    found = {row.id: row.verdict(values.get(row.id), run.profile) for row in run.book.claims.values()}
    rows = []
    for one in NEIGHBOURS:
        names = {"reproduced": one.holds, "limited": one.limits, "denied": one.denies}
        cells = {key: ", ".join(ids) or "–" for key, ids in names.items()}
        rows.append({"work": one.work, "statement": one.statement, **cells, "verdict": verdict(one, found)})
    return pd.DataFrame(rows)


def as_text(verdicts):
    """`table` as Markdown, a row for each work."""
    lines = ["| work | as we read it | reproduced by | limited by | denied by | verdict |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row[:-1]) + f" | **{row[-1]}** |" for row in verdicts.itertuples(index=False)]
    return "\n".join(lines)
