"""The pages of functions: the library's, a page a group of modules, and the experiments', a section a chapter."""

import inspect

import oversmooth
from oversmooth.public import PUBLIC
from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.figures import defined_functions, experiment_modules
from oversmooth_book.book.modules import EXPERIMENTS

# The library's pages, chapters/api_NAME.md, and the modules or rooms of each.
GROUPS = {
    "graphs": ("graphs", "propagation.matrix", "propagation.kinds", "propagation.deflation"),
    "networks": ("network", "activations", "signals", "checkpointing", "models", "counterexamples"),
    "measures": ("smoothness", "bounds", "propagation.modes"),
    "training": ("training", "stationary", "landscape", "proof", "sweeps"),
    "probe": ("probe", "drawing"),
}


def api_listing(group: str) -> str:
    """One section per module of a page, one entry per public name, taken from the library itself.

    Args:
        group: a name of `GROUPS`.

    Returns:
        MyST text.

    Raises:
        BookError: for another name.
    """
    if group not in GROUPS:
        raise BookError(f"the library has no page {group!r}; known: {', '.join(GROUPS)}")
    return "\n\n".join(
        _section(module, [_api_entry(f"oversmooth.{module}", name) for name in sorted(PUBLIC[module], key=str.lower)])
        for module in modules_of(group)
    )


def modules_of(group: str) -> list[str]:
    """The public modules of a page, in its order."""
    return [module for part in GROUPS[group] for module in PUBLIC if module == part or module.startswith(f"{part}.")]


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
