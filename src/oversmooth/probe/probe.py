"""Measure forward and backward oversmoothing of any torch_geometric model, as it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import torch

from oversmooth._validation import require
from oversmooth.moments import Moments
from oversmooth.probe.diagnosis import Diagnosis, diagnose
from oversmooth.probe.norms import require_norm
from oversmooth.probe.recorder import Kept, Recorder
from oversmooth.propagation.averaging import Weighting

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch.utils.tensorboard import SummaryWriter


class Probe:
    """Measure a model's signals and gradients, layer by layer, while it runs in a ``with`` block.

    A layer is what ``select`` says; by default every `MessagePassing` module that is not inside another one (nor the
    model itself, where the model holds others). X⁽ᵏ⁾ is what the k-th layer receives, B⁽ᵏ⁾ = ∂𝓛/∂(what it returns), and
    the gradient is that of all its own parameters. Layers count in the order in which they run; a module that runs
    twice is two layers, with the gradient they share. Everything is measured the moment it passes: nothing is kept but
    numbers and the last outputs. Several passes (mini-batches, steps) may run in one block; where one pass is
    differentiated twice, the last backward counts. What a checkpoint runs again is not counted again.

    Numbers are those of `layer_profile`, in the norm that fits each layer's operator: "uniform" π = 1/n; "degree"
    π ∝ d; "sqrt_degree" π ∝ d and signals divided by √d, where d are the weights that a node receives, self-loops that
    the layer adds included. Inferred: sqrt_degree for GCNConv and its kin, degree for means and attention (exact while
    the attention is uniform), uniform for sums and for what is not known. Degrees fit undirected graphs.

    The block changes nothing that can be seen: not the outputs, gradients, modes or random state; and leaves no hook,
    whatever is raised in it. Blocks of several probes may be nested.

    Args:
        model: any ``torch.nn.Module`` that runs eagerly; for `Network` there is `trace`.
        select: None; or names, with wildcards inside a part (["convs.*"]); or a class or a tuple of classes; or a
            function of (name, module) that tells whether to measure.
        norm: "auto", "uniform", "degree", "sqrt_degree", a `Propagation`, or a dictionary of layer names to these.

    Raises:
        ValueError: no such layer, or no such norm.

    Example:
        >>> import oversmooth as osm, torch, torch_geometric
        >>> data = osm.csbm(60, p_in=0.5, p_out=0.1)
        >>> _ = torch.manual_seed(0)
        >>> model = torch_geometric.nn.GCN(8, 16, num_layers=2, out_channels=2).double()
        >>> with osm.Probe(model) as probe:
        ...     torch.nn.functional.cross_entropy(model(data.x, data.edge_index), data.y).backward()
        >>> table = probe.table()
        >>> list(table["name"]), list(table["norm"])
        (['convs.0', 'convs.1'], ['sqrt_degree', 'sqrt_degree'])
        >>> probe.diagnosis().verdict
        'healthy'

    Source: the measures are those of the book's page *Notation*; the tool is ours.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        select: str | Sequence[str] | type | tuple[type, ...] | Callable | None = None,
        norm: str | Weighting | dict[str, str | Weighting] = "auto",
    ):
        require(isinstance(model, torch.nn.Module), f"model is a {type(model).__name__}; a torch.nn.Module is needed")
        require_norm(norm)
        self._layers = _selected(model, select)
        unknown = set(norm) - {name for name, _ in self._layers} if isinstance(norm, dict) else set()
        require(not unknown, f"norm names {sorted(unknown)}, which are no measured layers; they are: {self._names()}")
        self._model, self._norm = model, norm
        self._recorder, self._active, self._kept = None, False, Kept()

    def __enter__(self):
        require(not self._active, "this probe is measuring already; take another Probe to measure inside its block")
        self._recorder, self._active = Recorder(self._model, self._layers, self._norm, self._kept), True
        return self

    def __exit__(self, *_):
        self._active = False
        self._recorder.remove()

    def table(self) -> pd.DataFrame:
        """What was measured, a row for each layer of each pass.

        Columns: pass, layer, depth, name, type, norm, nodes; then those of `layer_profile`: feature_deviation σ(X⁽ᵏ⁾),
        feature_norm (Σ π_i ‖X_i‖²)^{1/2}, feature_ratio their quotient; backward_deviation σ(B̃⁽ᵏ⁾), backward_norm,
        backward_ratio likewise; backward_mean ‖μ(B̃⁽ᵏ⁾)‖; gradient, the norm over all parameters of the layer. NaN where
        no backward pass came by.

        Returns:
            pandas.DataFrame.

        Raises:
            ValueError: nothing ran, or a layer never did.

        Source: the book's page *Notation*.
        """
        import pandas as pd

        records = self._records()
        depths = {}
        rows = []
        for record in records:
            layer = depths[record.run] = depths.get(record.run, -1) + 1
            name, module = self._layers[record.layer]
            feature, backward = record.feature, record.backward or Moments(math.nan, math.nan)
            rows.append(
                {"pass": record.run, "layer": layer, "depth": 0, "name": name, "type": type(module).__name__}
                | {"norm": record.norm, "nodes": record.nodes}
                | _measures("feature", feature)
                | _measures("backward", backward)
                | {"backward_mean": backward.mean_norm, "gradient": _norm(record)}
            )
        for row in rows:
            row["depth"] = depths[row["pass"]] + 1
        return pd.DataFrame(rows)

    def diagnosis(self, targets: torch.Tensor | None = None, mask: torch.Tensor | None = None) -> Diagnosis:
        """What the numbers mean: a verdict in words, with the numbers that support it and what to try.

        Args:
            targets: y, to compare the loss of the last pass with that of the best constant prediction: class numbers
                (n,) for a cross-entropy, floats for a squared error; None leaves the comparison out.
            mask: (n,) booleans, the nodes that the loss counts; None means all.

        Returns:
            `Diagnosis`: print it, or ask its ``verdict``.

        Raises:
            ValueError: nothing ran, no backward pass ran, or targets that do not fit the output.

        Source: the book's theorems thm-backward-step and thm-spurious; the thresholds are ours.
        """
        table, records = self.table(), self._recorder.records
        require(
            any(record.backward is not None for record in records),
            "no backward pass was measured: call loss.backward() inside the block",
        )
        broken = {int(layer) for layer, record in zip(table["layer"], records, strict=True) if not record.is_finite()}
        return diagnose(table, self._recorder.output, targets, mask, max(record.epsilon for record in records), broken)

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the ratios and the norms over the layers: see `draw_probe_ratios` and `draw_probe_norms`.

        Args:
            axes: two matplotlib axes; None makes a figure of two panels.

        Returns:
            The two axes.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the extra ``oversmooth[plot]`` brings it.
        """
        try:
            from oversmooth.drawing.probe import draw_probe_norms, draw_probe_ratios
            from oversmooth.drawing.theme import panels
        except ModuleNotFoundError as error:
            message = f"probe.plot() needs {error.name}: pip install 'oversmooth[plot]'"
            raise ModuleNotFoundError(message, name=error.name) from error
        table = self.table()
        left, right = panels(columns=2)[1] if axes is None else axes
        draw_probe_ratios(left, table)
        draw_probe_norms(right, table)
        return left, right

    def write(self, writer: SummaryWriter, step: int) -> None:
        """Write the last pass and the verdict to TensorBoard.

        Args:
            writer: ``torch.utils.tensorboard.SummaryWriter``, or what has its add_scalar and add_text.
            step: the training step.

        Raises:
            ValueError: nothing ran, or no backward pass did.
        """
        for name, value in self.scalars().items():
            writer.add_scalar(name, value, step)
        writer.add_text("probe/diagnosis", str(self.diagnosis()).replace("\n", "  \n"), step)

    def scalars(self) -> dict[str, float]:
        """The last pass as numbers with names, for a logger.

        Returns:
            Dictionary: "probe/<measure>/<layer>_<name>" -> float, for the two ratios, two norms and the gradient.
        """
        table = self.table()
        table = table[table["pass"] == table["pass"].max()]
        measures = ("feature_ratio", "feature_norm", "backward_ratio", "backward_norm", "gradient")
        rows = table.to_dict("records")
        return {f"probe/{m}/{row['layer']:03d}_{row['name']}": row[m] for m in measures for row in rows}

    def _records(self):
        require(self._recorder is not None and self._recorder.records, "nothing ran: call the model inside the block")
        ran = {record.layer for record in self._recorder.records}
        silent = [name for index, (name, _) in enumerate(self._layers) if index not in ran]
        require(
            not silent,
            f"{', '.join(silent)} never ran while the probe was on: run the whole model inside the block, or leave "
            "them out with select=...",
        )
        return self._recorder.records

    def _names(self):
        return ", ".join(name for name, _ in self._layers)


def _selected(model, select):
    """(name, module) of the layers to measure."""
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
    """MessagePassing modules inside no other: a layer made of layers is one layer, a model made of layers is none."""
    from torch_geometric.nn import MessagePassing

    names = [name for name, module in modules.items() if isinstance(module, MessagePassing)]
    if len(names) > 1:
        names = [name for name in names if name]
    return [name for name in names if not any(name.startswith(f"{other}.") for other in names)]


def _measures(kind, moments):
    return {f"{kind}_{measure}": getattr(moments, measure) for measure in ("deviation", "norm", "ratio")}


def _norm(record):
    return math.hypot(*record.gradients.values()) if record.gradients else math.nan
