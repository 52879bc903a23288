"""The ledger of claims on the landing page: computed from the runs, one row a claim."""

from oversmooth_book.book.claims import FAIL, NOT_RUN, PASS, Claim, read_values
from oversmooth_book.book.layout import Book, BookError
from oversmooth_book.show.pages import Page, badge

CLAIMS_MARK = "<!-- claims-table -->"
HEAD = "| Claim | Verdict | Measured | Needed | In the paper | Chapter |\n|---|---|---|---|---|---|\n"


def claims_table(claims: dict[str, Claim], pages: dict[str, Page]) -> tuple[str, list[str]]:
    """The ledger as a MyST table.

    Args:
        claims: all claims of the book.
        pages: the chapters as they will be shown.

    Returns:
        (MyST text, one sentence per failed claim).
    """
    if not claims:
        return "No claim has been written down yet.", []
    rows, failed, count = [], [], dict.fromkeys((PASS, FAIL, NOT_RUN), 0)
    for claim in claims.values():
        value, verdict, _ = pages[claim.chapter].judge(claim)
        count[verdict] += 1
        rows.append(_row(claim, verdict, pages[claim.chapter].measured(claim)))
        if verdict == FAIL:
            failed.append(failure(claim, value))
    total = ", ".join(f"{number} {verdict}" for verdict, number in count.items())
    many = "" if len(claims) == 1 else "s"
    table = f":::{{div}} claims-table\n{HEAD}" + "\n".join(rows) + "\n:::"
    return f"{len(claims)} claim{many}: {total}.\n\n{table}", failed


def failure(claim: Claim, value: float) -> str:
    """A failed claim in one line: its name, the measured value and the needed one."""
    return f"{claim.id} ({claim.chapter}): measured {value:.6g}, needed {claim.condition()}"


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


def published_failures(book: Book, claims: dict[str, Claim]) -> list[str]:
    """What the committed values say against claims.yml as it stands.

    Args:
        book: the book.
        claims: all claims of the book.

    Returns:
        One sentence per claim that the published or the full run fails or did not measure.
    """
    found = []
    for claim in claims.values():
        for profile, folder in (
            ("published", book.published(claim.chapter)),
            ("full", book.published_full(claim.chapter)),
        ):
            where = f"data/{folder.relative_to(book.root / 'data').as_posix()}"
            try:
                value = read_values(folder / "claims.json").get(claim.id)
            except BookError as error:
                found.append(str(error))
                continue
            if value is None and profile == "published" and (folder / "record.json").is_file():
                found.append(f"{where}: claim {claim.id} was not measured: run {claim.chapter} and publish it")
            elif claim.verdict(value, profile) == FAIL:
                found.append(f"{where}: {FAIL} {failure(claim, value)}")
    return list(dict.fromkeys(found))
