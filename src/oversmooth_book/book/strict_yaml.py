"""The book's YAML files, read alike.

Strict: no key twice (YAML would silently take the last), no aliases (a file of ten lines can stand for a million), no
half of a surrogate pair, which is no character and which no page can hold.
"""

import functools
import re
from pathlib import Path

from oversmooth_book.book.errors import BookError, first_line


def read_yaml(path: Path):
    """The content of a YAML file.

    Args:
        path: the file.

    Returns:
        Lists, mappings, numbers and texts.

    Raises:
        BookError: if it is missing or is not strict YAML; names the file and the line.
    """
    import yaml

    try:
        return yaml.load(path.read_text(encoding="utf-8"), _loader())
    except FileNotFoundError:
        raise BookError(f"{path.name} is missing: expected in {path.parent.name}/") from None
    except OSError as error:
        raise BookError(f"{path.name} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise BookError(f"{path.name}: not readable as YAML (lists within lists, too deep)") from None
    except Exception as error:  # not only PyYAML's own: `!!bool x` ends in a KeyError, `!!int ''` in an IndexError
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or first_line(error)
        raise BookError(f"{path.name}{where}: not readable as YAML ({what})") from None


@functools.cache
def _loader():
    import yaml

    class Strict(yaml.SafeLoader):
        """A safe loader that takes no key twice, no alias, and no text that UTF-8 cannot write."""

        def compose_node(self, parent, index):
            if self.check_event(yaml.AliasEvent):
                raise yaml.constructor.ConstructorError(None, None, "an alias", self.peek_event().start_mark)
            return super().compose_node(parent, index)

        def construct_scalar(self, node):
            value = super().construct_scalar(node)
            if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
                raise yaml.constructor.ConstructorError(None, None, "half a character", node.start_mark)
            return value

        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for place, key in enumerate(keys):
                if key in keys[:place]:
                    mark = node.value[place][0].start_mark
                    raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", mark)
            return super().construct_mapping(node, deep)

    return Strict


def read_rows(path: Path, kind: str) -> list[tuple[str, dict]]:
    """The rows of a file that holds a list of mappings.

    Args:
        path: the file.
        kind: what a row is, for errors.

    Returns:
        (where the row stands, in words; the row).

    Raises:
        BookError: if the file holds anything else.
    """
    rows = read_yaml(path)
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise BookError(f"{path.name}: needs a list of {kind}s, got {type(rows).__name__}")
    return [(f"{path.name}: row {number}", row) for number, row in enumerate(rows, start=1)]
