"""Finding measured numbers typed by hand: every such number should be glued from the run that measured it."""

import re

_FENCE = re.compile(r"^\s*(?P<marks>`{3,}|~{3,}|:{3,})\s*(?P<rest>.*)$")
# Blocks whose content is code or mathematics.
_CODE_DIRECTIVES = ("{code", "{math", "{eval-rst", "{bibliography")
# What may hold numbers of its own: mathematics (definitions), roles, code, link targets, options, comments.
_NOT_PROSE = re.compile(
    r"\$\$.*?\$\$|\$[^$\n]+?(?:\n[^$\n]+?)*\$|\\begin\{(\w+\*?)\}.*?\\end\{\1\}"
    r"|\{[\w:.-]+\}(`+).+?\2|(`+).+?\3|\]\([^)]*\)|<!--.*?-->|<[^>\n]+>|https?://\S+|^:[\w-]+:[^\n]*|^%[^\n]*",
    re.DOTALL | re.MULTILINE,
)
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
    prose = _NAMED.sub(" ", _NOT_PROSE.sub(" ", _without_code_blocks(text)))
    return [match.group().strip() for match in _MEASURED.finditer(prose)]


def _without_code_blocks(text: str) -> str:
    """The lines outside code; the content of other directives (theorems, notes) is prose."""
    kept, code = [], ""
    for line in text.splitlines():
        fence = _FENCE.match(line)
        if code:
            closes = fence and fence["marks"].startswith(code) and not fence["rest"]
            code = "" if closes else code
        elif fence:
            is_code = not fence["rest"].startswith("{") and fence["rest"] and fence["marks"][0] != ":"
            bare = not fence["rest"] and not _closes_directive(kept, fence["marks"])
            if is_code or bare or fence["rest"].startswith(_CODE_DIRECTIVES):
                code = fence["marks"]
            else:
                kept.append("\0" + fence["marks"] + fence["rest"])
        else:
            kept.append(line)
    return "\n".join(line for line in kept if not line.startswith("\0"))


def _closes_directive(kept: list[str], marks: str) -> bool:
    """Whether a bare fence ends a directive begun above, and does not begin a code block."""
    begun = sum(line.startswith("\0" + marks + "{") for line in kept)
    ended = sum(line == "\0" + marks for line in kept)
    return begun > ended
