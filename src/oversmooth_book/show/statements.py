"""From what is said to the claims beneath it: the reverse index of the paper's statements, and any text's evidence."""

from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import NOT_RUN, Claim
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.statements import Statement, require_sound
from oversmooth_book.show.pages import Page, badge, link, small


def statement_sections(book: Book, pages: dict[str, Page]) -> str:
    """The reverse index as MyST: a section a statement, its verdicts computed from the runs.

    Args:
        book: the book.
        pages: the chapters as they will be shown.

    Returns:
        MyST text.

    Raises:
        BookError: if a claim is listed that claims.yml has not, or theorems rest on what is not there or in a circle.
    """
    require_sound(book.blueprint, book.claims)
    return "\n\n".join(_section(book, statement, pages) for statement in book.statements.values())


def evidence(book: Book, pages: dict[str, Page], names: list[str]) -> str:
    """Claims that a text rests on, folded: how many of them hold, and a row for each.

    Args:
        book: the book.
        pages: the chapters as they will be shown.
        names: their ids.

    Returns:
        MyST text.

    Raises:
        BookError: if claims.yml lacks one.
    """
    unknown = [name for name in names if name not in book.claims]
    if unknown:
        raise BookError(f"evidence names {', '.join(unknown)}, which claims.yml has not")
    claims = [book.claims[name] for name in names]
    held = sum(pages[claim.chapter].holds(claim) for claim in claims)
    count = f"{len(claims)} claims, {'all hold' if held == len(claims) else f'{held} hold'}"
    rows = "\n".join(_claim_row(claim, pages) for claim in claims)
    return f"::::{{dropdown}} Evidence: {count}\n| Id | Claim | Verdict |\n|---|---|---|\n{rows}\n::::"


def _section(book: Book, statement: Statement, pages: dict[str, Page]) -> str:
    number = f"{statement.number} " if statement.title else ""
    lines = [f"({statement.label})=\n## {number}{statement.heading}\n\n{statement.text.strip()} {statement.remark}\n"]
    rows = "\n".join(_claim_row(book.claims[name], pages) for name in statement.claims)
    head = "| Id | Claim | Verdict |\n|---|---|---|\n"
    lines.append(f":::{{div}} statement-claims\n{head}{rows}\n:::\n")
    others = [link(claim) for claim in statement.others(book.claims)]
    parts = (
        ("Also", others),
        ("Chapters", [f"[]({name}.ipynb)" for name in statement.chapters]),
        ("Figures", [f"{{numref}}`{name}`" for name in statement.figures]),
        ("Tests", [f"`{name}`" for name in statement.tests]),
    )
    lines += [f"- {title}: {', '.join(names)}" for title, names in parts if names]
    return "\n".join(lines)


def _claim_row(claim: Claim, pages: dict[str, Page]) -> str:
    page = pages[claim.chapter]
    verdict = page.judge(claim)[1]
    reason = small(claim.undecided(page.profile, page.missing)) if verdict == NOT_RUN else ""
    text = claim.statement.strip().replace("|", "\\|").replace("\n", " ")
    return f"| {link(claim)} | {text} | {badge(verdict)} {reason} |"
