"""The ledger of claims on the landing page: computed from the runs, one row a claim."""

from oversmooth_book.attack.robustness import Robustness, read_robustness
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import CHECK, FAIL, FINDING, NOT_RUN, PASS, Claim
from oversmooth_book.show.pages import Page, badge, small

HEAD = "| Claim | Verdict | Measured | Needed | In the paper | Chapter |\n|---|---|---|---|---|---|\n"


def claims_table(book: Book, pages: dict[str, Page]) -> str:
    """The ledger as a MyST table.

    Args:
        book: the book.
        pages: the chapters as they will be shown.

    Returns:
        MyST text.
    """
    if not book.claims:
        return "No claim has been written down yet."
    attacked = robustness_of(book)
    rows, verdicts = [], {CHECK: [], FINDING: []}
    for claim in book.claims.values():
        verdict = pages[claim.chapter].judge(claim)[1]
        verdicts[claim.kind].append(verdict)
        rows.append(_row(claim, verdict, pages[claim.chapter].measured(claim), attacked.get(claim.id)))
    table = f":::{{div}} claims-table\n{HEAD}" + "\n".join(rows) + "\n:::"
    counts = ". ".join(_counted(kind, found) for kind, found in verdicts.items() if found)
    return f"{counts}.\n\n{table}"


def robustness_of(book: Book) -> dict[str, Robustness]:
    """What the attack found of every finding of the book that it measured, by claim id."""
    found = {}
    for name in book.profiles:
        found |= read_robustness(book.published(name), book.claims)
    return found


def _counted(kind: str, verdicts: list[str]) -> str:
    """Such as "40 checks: 40 PASS, 0 FAIL, 0 NOT RUN"."""
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in (PASS, FAIL, NOT_RUN))
    return f"{len(verdicts)} {kind}{'' if len(verdicts) == 1 else 's'}: {counts}"


def failures(book: Book, pages: dict[str, Page]) -> list[str]:
    """One sentence per failed claim."""
    judged = [(claim, *pages[claim.chapter].judge(claim)[:2]) for claim in book.claims.values()]
    return [claim.failure(value) for claim, value, verdict in judged if verdict == FAIL]


def _row(claim: Claim, verdict: str, measured: str, attacked: Robustness | None) -> str:
    name = f"[**{claim.id}**]{{#claim-{claim.id.lower()}}}"
    fields = (
        f"{name} {claim.statement} *{claim.kind.capitalize()}; measured: {claim.quantity.strip().rstrip('.')}.*"
        + (f" {small(f'Attacked: {attacked.sentence()}.')}" if attacked else ""),
        badge(verdict),
        measured,
        f"`{claim.condition()}`",
        claim.paper,
        f"[]({claim.chapter}.ipynb)",
    )
    return "| " + " | ".join(text.strip().replace("|", "\\|").replace("\n", " ") for text in fields) + " |"
