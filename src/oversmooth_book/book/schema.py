"""What may stand in the book's files: types that msgspec checks, and one sentence for whatever is wrong.

A field's words stand beside its type: ``Annotated[int, Meta(ge=0, description="a count")]`` reads "needs a count".
"""

import re
from typing import Annotated, get_type_hints

import msgspec
from msgspec import Meta

from oversmooth_book.book.errors import BookError, brief

Text = Annotated[str, Meta(pattern=r"\S", description="text")]
Names = Annotated[tuple[Text, ...], Meta(description="a list of names")]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of known fields; a rule that no type can say is raised as a ValueError by ``__post_init__``."""


def parse(where: str, value, kind: type[Row]):
    """A row of a file as an object.

    Args:
        where: the file and the row, in words.
        value: what stands there.
        kind: the type of the row.

    Returns:
        The object.

    Raises:
        BookError: naming the row, the field, what was needed and what came.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BookError(f"{where}: {_sentence(str(error), value, kind)}") from None


def _sentence(complaint: str, value, kind: type[Row]) -> str:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    known = ", ".join(fields)
    if not isinstance(value, dict):
        return f"needs a mapping with {known}, got {brief(value)}"
    missing = [name for name, field in fields.items() if field.required and name not in value]
    unknown = [brief(name).strip("'") for name in value if name not in fields]
    if missing or unknown:
        what = f"has the unknown field {', '.join(unknown[:5])}" if unknown else f"lacks {', '.join(missing)}"
        return f"{what}; known: {known}"
    place = re.fullmatch(r"(?s).* - at `\$\.(\w+).*`", complaint)
    if not place:  # a rule, which has words of its own
        return complaint
    name = place[1]
    came = value[name]
    words = get_type_hints(kind, include_extras=True)[fields[name].name].__metadata__[0].description
    # YAML 1.1 takes a number without a point for text.
    hint = " (write 1.0e-5, not 1e-5, in YAML)" if isinstance(came, str) and re.match(r"-?\d+e", came) else ""
    return f"{name}: needs {words}, got {brief(came)}{hint}"


def require_plain(name: str, text: str) -> None:
    """Check that a text that goes into the pages brings no HTML and no file with it.

    Args:
        name: of the field.
        text: Markdown with mathematics.

    Raises:
        ValueError: it does.
    """
    words = re.sub(r"\$[^$]*\$|`[^`]*`", "", text)
    if re.search(r"<[A-Za-z/!?]", words):
        raise ValueError(f"{name}: holds HTML; Markdown, and mathematics between dollar signs, are what pages show")
    if re.search(r"\{[\w:-]+\}`[^`]*(\.\.|[\\/]{2}|</)", text):
        raise ValueError(f"{name}: a role names a file; links go to claims, chapters and labels")
