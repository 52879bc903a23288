"""The ledger of claims on the landing page: computed from the runs, one row a claim."""

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import FAIL, NOT_RUN, PASS, Claim
from oversmooth_book.show.pages import Page, badge

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
    rows, count = [], dict.fromkeys((PASS, FAIL, NOT_RUN), 0)
    for claim in book.claims.values():
        verdict = pages[claim.chapter].judge(claim)[1]
        count[verdict] += 1
        rows.append(_row(claim, verdict, pages[claim.chapter].measured(claim)))
    total = ", ".join(f"{number} {verdict}" for verdict, number in count.items())
    many = "" if len(book.claims) == 1 else "s"
    table = f":::{{div}} claims-table\n{HEAD}" + "\n".join(rows) + "\n:::"
    return f"{len(book.claims)} claim{many}: {total}.\n\n{table}"


def failures(book: Book, pages: dict[str, Page]) -> list[str]:
    """One sentence per failed claim."""
    judged = [(claim, *pages[claim.chapter].judge(claim)[:2]) for claim in book.claims.values()]
    return [claim.failure(value) for claim, value, verdict in judged if verdict == FAIL]


def _row(claim: Claim, verdict: str, measured: str) -> str:
    name = f"[**{claim.id}**]{{#claim-{claim.id.lower()}}}"
    fields = (
        f"{name} {claim.statement} *Measured: {claim.quantity.strip().rstrip('.')}.*",
        badge(verdict),
        measured,
        f"`{claim.condition()}`",
        claim.paper,
        f"[]({claim.chapter}.ipynb)",
    )
    return "| " + " | ".join(text.strip().replace("|", "\\|").replace("\n", " ") for text in fields) + " |"
