"""The pages of functions: the library's, a section a module, and the experiments', a section a chapter."""

import inspect

import oversmooth
from oversmooth.public import PUBLIC
from oversmooth_book.book.book import Book
from oversmooth_book.book.figures import defined_functions, experiment_modules
from oversmooth_book.book.modules import EXPERIMENTS


def api_listing() -> str:
    """One section per module of the library, one entry per public name, taken from the library itself."""
    return "\n\n".join(
        _section(module, [_api_entry(f"oversmooth.{module}", name) for name in sorted(names, key=str.lower)])
        for module, names in PUBLIC.items()
    )


def experiments_listing(book: Book) -> str:
    """One section per chapter, one entry per function that measures or draws, taken from the experiments themselves."""
    shared = [f"{EXPERIMENTS}.settings", f"{EXPERIMENTS}.common"]
    sections = [_functions("common", shared, [f".. autoclass:: {shared[0]}.Setting\n"])]
    sections += [_functions(name, experiment_modules(name)) for name in book.profiles]
    return "\n\n".join(section for section in sections if section)


def _functions(title: str, modules: list[str], first=()) -> str:
    entries = [f".. autofunction:: {module}.{name}\n" for module in modules for name in defined_functions(module)]
    return _section(title, [*first, *entries]) if entries else ""


def _section(title: str, entries: list[str]) -> str:
    return f"## {title}\n\n```{{eval-rst}}\n{chr(10).join(entries)}\n```"


def _api_entry(module: str, name: str) -> str:
    thing = getattr(oversmooth, name)
    if inspect.isclass(thing):
        return f".. autoclass:: {module}.{name}\n   :members:\n"
    if callable(thing):
        return f".. autofunction:: {module}.{name}\n"
    # A constant has no docstring of its own, only that of its type.
    known = ", ".join(f"``{key}``" for key in thing) if isinstance(thing, dict) else f"``{thing!r}``"
    return f".. py:data:: {name}\n   :module: {module}\n\n   {known}\n"
