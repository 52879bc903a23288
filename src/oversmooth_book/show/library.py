"""The library's page: a section a module, an entry a public name."""

import inspect

import oversmooth
from oversmooth.public import PUBLIC


def api_listing() -> str:
    """One section per module of the library, one entry per public name, taken from the library itself."""
    sections = []
    for module, names in PUBLIC.items():
        entries = "\n".join(_api_entry(f"oversmooth.{module}", name) for name in sorted(names, key=str.lower))
        sections.append(f"## {module}\n\n```{{eval-rst}}\n{entries}\n```")
    return "\n\n".join(sections)


def _api_entry(module: str, name: str) -> str:
    thing = getattr(oversmooth, name)
    if inspect.isclass(thing):
        return f".. autoclass:: {module}.{name}\n   :members:\n"
    if callable(thing):
        return f".. autofunction:: {module}.{name}\n"
    # A constant has no docstring of its own, only that of its type.
    known = ", ".join(f"``{key}``" for key in thing) if isinstance(thing, dict) else f"``{thing!r}``"
    return f".. py:data:: {name}\n   :module: {module}\n\n   {known}\n"
