"""Which modules of a model are its layers."""

from fnmatch import fnmatchcase

from oversmooth._validation import require

_CONTAINERS = ("HeteroConv",)  # of torch_geometric.nn.conv, and only a dictionary of layers


def selected(model, select):
    """(name, module) of the layers to measure.

    Args:
        model: any module.
        select: of `Probe`.

    Returns:
        List of pairs.

    Raises:
        ValueError: nothing chosen.
    """
    modules = dict(model.named_modules())
    if select is None:
        chosen = _outermost(modules)
    elif isinstance(select, type | tuple) and _are_types(select):
        chosen = [name for name, module in modules.items() if isinstance(module, select)]
    elif callable(select):
        chosen = [name for name, module in modules.items() if select(name, module)]
    else:
        patterns = [select] if isinstance(select, str) else list(select)
        unmatched = [p for p in patterns if not any(_matches(name, p) for name in modules)]
        require(not unmatched, f"select names {unmatched}; the model's modules are: {', '.join(filter(None, modules))}")
        chosen = [name for name in modules if any(_matches(name, p) for p in patterns)]
    require(
        bool(chosen),
        f"no layer to measure in {type(model).__name__}: "
        + ("it has no torch_geometric MessagePassing module" if select is None else "select chose none")
        + f"; its modules are: {', '.join(filter(None, modules)) or 'none'}. Pass select=...; for a Network use trace",
    )
    return [(name or type(model).__name__, modules[name]) for name in chosen]


def _matches(name, pattern):
    """Part by part, so that convs.* is every layer of convs and not what the layers are made of."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _are_types(select):
    return all(isinstance(kind, type) for kind in (select if isinstance(select, tuple) else (select,)))


def _outermost(modules):
    """Layers inside no other: a layer made of layers is one layer, a model made of layers is none."""
    from torch_geometric.nn import MessagePassing

    names = [
        name for name, module in modules.items() if isinstance(module, MessagePassing) or _is_conv(type(module).__mro__)
    ]
    if "" in names and _is_conv(type(modules[""]).__mro__):
        return [""]
    if len(names) > 1:
        names = [name for name in names if name]
    return [name for name in names if not any(name.startswith(f"{other}.") for other in names)]


def _is_conv(kinds):
    """Whether a class is one of torch_geometric's layers that are no MessagePassing themselves, as GPSConv."""
    return any(
        kind.__module__.startswith(("torch_geometric.nn.conv.", "torch_geometric.nn.dense.dense_"))
        and kind.__name__.endswith("Conv")
        and kind.__name__ not in _CONTAINERS
        for kind in kinds
    )
