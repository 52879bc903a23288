"""Sphinx extension: docstrings read as plain text with Google sections.

Equations in plain text are full of signs that reStructuredText takes for markup: |x| for a substitution, a_ for a link,
* for emphasis. They are escaped, outside code and literal blocks, before napoleon sees them.
"""

import re

_CODE = re.compile(r"(``.+?``|`[^`]+`)")
_MARKUP = re.compile(r"[*|]|_(?=\W|$)")


def escape(lines: list[str]) -> list[str]:
    """Docstring lines with the accidental markup escaped.

    Args:
        lines: of one docstring.

    Returns:
        As many lines.
    """
    escaped, literal = [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        plain = literal is None and not line.lstrip().startswith((">>>", "..."))
        escaped.append(_escape_line(line) if plain else line)
        if literal is None and line.rstrip().endswith("::"):
            literal = indent
    return escaped


def _escape_line(line: str) -> str:
    """Single backquotes become double ones: Python words, not references."""
    parts = _CODE.split(line)
    for place, part in enumerate(parts):
        if place % 2 == 0:
            parts[place] = _MARKUP.sub(lambda sign: "\\" + sign.group(), part)
        elif not part.startswith("``"):
            parts[place] = f"`{part}`"
    return "".join(parts)


def _on_docstring(app, what, name, obj, options, lines):
    lines[:] = escape(lines)


def setup(app):
    """Register with Sphinx; docstrings before napoleon (priority 500)."""
    app.connect("autodoc-process-docstring", _on_docstring, priority=400)
    return {"parallel_read_safe": True}
