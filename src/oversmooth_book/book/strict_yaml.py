"""The book's YAML files, read alike: strict YAML, known fields, texts that say something.

Strict: no key twice (YAML would silently take the last), no aliases (a file of ten lines can stand for a million).
"""

import functools
import sys
from pathlib import Path

from oversmooth_book.book.errors import BookError


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
    except RecursionError:
        raise BookError(f"{path.name}: not readable as YAML (lists within lists, too deep)") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise BookError(f"{path.name}{where}: not readable as YAML ({what})") from None


@functools.cache
def _loader():
    import yaml

    class Strict(yaml.SafeLoader):
        """A safe loader that takes no key twice and no alias."""

        def compose_node(self, parent, index):
            if self.check_event(yaml.AliasEvent):
                raise yaml.constructor.ConstructorError(None, None, "an alias", self.peek_event().start_mark)
            return super().compose_node(parent, index)

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


def check_fields(where: str, row, needed: tuple, optional: tuple = ()) -> None:
    """Refuse what is not a mapping with the needed fields and no unknown one.

    Args:
        where: the file and the row, in words.
        row: what stands there.
        needed: names of fields.
        optional: further names.

    Raises:
        BookError: naming the fields.
    """
    known = ", ".join((*needed, *optional))
    if not isinstance(row, dict):
        raise BookError(f"{where}: needs a mapping with {known}, got {row!r}")
    missing = [name for name in needed if name not in row]
    unknown = [str(name) for name in row if name not in (*needed, *optional)]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has the unknown field {', '.join(unknown)}"
        raise BookError(f"{where}: {what}; known: {known}")


def check_texts(where: str, row: dict, names: tuple) -> None:
    """Refuse a field that says nothing.

    Args:
        where: the file and the row, in words.
        row: the row.
        names: fields that hold text.

    Raises:
        BookError: naming the field and what came.
    """
    for name in names:
        if not isinstance(row[name], str) or not row[name].strip():
            raise BookError(f"{where}: {name} needs text, got {row[name]!r}")


def is_number(value) -> bool:
    """Whether a value is a finite number that a float can hold; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max


def check_texts_list(where: str, row: dict, names: tuple) -> None:
    """Refuse a field that is not a list of texts; an absent one is an empty list.

    Args:
        where: the file and the row, in words.
        row: the row.
        names: fields that hold lists.

    Raises:
        BookError: naming the field and what came.
    """
    for name in names:
        values = row.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
            raise BookError(f"{where}: {name} needs a list of names, got {values!r}")
