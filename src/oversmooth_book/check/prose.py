"""Finding measured numbers typed by hand: every such number should be glued from the run that measured it."""

import functools
import re

# Blocks whose content is code or mathematics.
_CODE_DIRECTIVES = ("{code", "{math", "{eval-rst", "{bibliography")
# Options of a directive, and addresses in plain text.
_NOT_PROSE = re.compile(r"^:[\w-]+:[^\n]*|https?://\S+", re.MULTILINE)
# Numbers that name something: an article, a section, a version.
_NAMED = re.compile(
    r"(?i)\b(?:arxiv|doi|sections?|chapters?|figures?|fig\.|tables?|theorems?|equations?|eqs?\.|version|python|torch)"
    r"[: ]*[\d.]*\d"
)
_RESULT = r"(?:times|-?fold|orders? of magnitude|seconds?|minutes?|hours?|ms|s(?!-)|GB|MB|kB)"
_WHOLE = r"\d+(?:,\d{3})*"
# "Layer 3 of 41" names a layer, it does not count any.
_NO_NAME = "".join(f"(?<!{name} )" for name in ("ayer", "tep", "ow", "tem", "age", "epth", "art"))
# Decimals, powers of ten, percentages; whole numbers where a word says that they came out of something: a factor, a
# count out of a total, a duration or size, an approximation. Depths, widths, steps, seeds and rows are settings as
# often as results, and so are numbers in words ("a thousand times"): nothing in the text tells which.
_MEASURED = re.compile(
    r"(?<![\w.])(?:"
    r"[-−]?(?:\d+(?:\.\d+(?:[eE][-+−]?\d+)?|[eE][-+−]?\d+|\s*(?:%|‰|per cent|percent(?:age points?)?))|\.\d+)"
    r"|[-−]?10(?:\^\{?[-−]?\d+\}?|\*\*[-−]?\d+|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
    rf"|(?i:factor\s+(?:of\s+)?){_WHOLE}"
    r"|(?i:about|around|roughly|approximately|nearly)\s+\d(?:,?\d)+"
    rf"|{_NO_NAME}{_WHOLE}\s+(?:out\s+)?of\s+(?:the\s+|all\s+)?{_WHOLE}"
    rf"|{_WHOLE}(?:\s+|-)?{_RESULT}"
    r")(?!\w)"
)


def typed_numbers(text: str) -> list[str]:
    """Numbers in prose that only a run can have given: decimals, powers of ten, percentages, factors, counts, times.

    Args:
        text: MyST markdown.

    Returns:
        The numbers as typed; settings, years, names, mathematics, code and roles do not count.
    """
    prose = _NAMED.sub(" ", _NOT_PROSE.sub(" ", _prose(text)))
    return [match.group().strip() for match in _MEASURED.finditer(prose)]


def _prose(text: str) -> str:
    """What is neither code, mathematics, role, target nor comment; the content of theorems, notes and the like is."""
    found = []
    for token in _parser().parse(text):
        if token.type == "inline":
            found.append("".join(map(_words, token.children)))
        elif token.info.lstrip().startswith("{") and not token.info.lstrip().startswith(_CODE_DIRECTIVES):
            found.append(_prose(token.content))
    return "\n".join(found)


def _words(token) -> str:
    """The text of an inline token; a gap where another kind of thing stands, nothing where emphasis begins or ends."""
    if token.type == "text":
        return token.content
    return "" if token.nesting else "\n" if token.type.endswith("break") else " "


@functools.cache
def _parser():
    """MyST as the book's pages are written in it."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins import amsmath, colon_fence, dollarmath, myst_blocks, myst_role

    parser = MarkdownIt("commonmark").enable("table").disable("code").use(amsmath.amsmath_plugin)
    parser.use(colon_fence.colon_fence_plugin).use(dollarmath.dollarmath_plugin, double_inline=True)
    return parser.use(myst_blocks.myst_block_plugin).use(myst_role.myst_role_plugin)
