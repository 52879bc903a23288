"""Finding measured numbers typed by hand: every such number should be glued from the run that measured it."""

import re

# What may hold numbers of its own: code, mathematics (definitions), roles, link targets, options, comments.
_NOT_PROSE = re.compile(
    r"^(?P<fence>```+|~~~+)(?!\{).*?^(?P=fence)\s*$"
    r"|\$\$.*?\$\$|\$[^$\n]+?(?:\n[^$\n]+?)*\$|\\begin\{(\w+\*?)\}.*?\\end\{\2\}"
    r"|\{[\w:.-]+\}(`+).+?\3|(`+).+?\4|\]\([^)]*\)|<!--.*?-->|<[^>\n]+>|https?://\S+|^:[\w-]+:.*$|^%.*$",
    re.DOTALL | re.MULTILINE,
)
# Numbers that name something: an article, a section, a version.
_NAMED = re.compile(
    r"(?i)\b(?:arxiv|doi|sections?|chapters?|figures?|tables?|theorems?|version|python|torch)[: ]*[\d.]+"
)
_MEASURED = re.compile(r"(?<![\w.])[-−]?\d+(?:\.\d+(?:[eE][-+−]?\d+)?|[eE][-+−]?\d+|\s*(?:%|per cent|percent))(?![\w])")


def typed_numbers(text: str) -> list[str]:
    """Decimal numbers, powers of ten and percentages that stand in prose.

    Args:
        text: MyST markdown.

    Returns:
        The numbers as typed; whole numbers, mathematics, code and roles do not count.
    """
    prose = _NAMED.sub(" ", _NOT_PROSE.sub(" ", text))
    return [match.group().strip() for match in _MEASURED.finditer(prose)]
