"""Measure forward and backward oversmoothing of any torch_geometric model, as it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from oversmooth._arguments import checked
from oversmooth._validation import drawing, require
from oversmooth.moments import Moments
from oversmooth.probe.diagnosis import Diagnosis, diagnose
from oversmooth.probe.extras import COLUMNS
from oversmooth.probe.layers import selected
from oversmooth.probe.norms import require_norm
from oversmooth.probe.recorder import Recorder
from oversmooth.probe.records import Kept, Record
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

    @checked
    def __init__(
        self,
        model: torch.nn.Module,
        select: str | Sequence[str] | type | tuple[type, ...] | Callable | None = None,
        norm: str | Weighting | dict[str, str | Weighting] = "auto",
        every: int = 1,
        columns: str | Sequence[str] = (),
    ):
        require_norm(norm)
        require(every >= 1, f"every is {every}; at least 1 is needed")
        columns = COLUMNS if columns == "all" else (columns,) if isinstance(columns, str) else tuple(columns)
        unknown = sorted(set(columns) - set(COLUMNS))
        require(not unknown, f"columns names {unknown}; known: {', '.join(COLUMNS)}, or all")
        self._layers = selected(model, select)
        unknown = set(norm) - {name for name, _ in self._layers} if isinstance(norm, dict) else set()
        require(not unknown, f"norm names {sorted(unknown)}, which are no measured layers; they are: {self._names()}")
        self._model, self._norm, self._every, self._columns = model, norm, every, columns
        self._recorder, self._before, self._active, self._kept = None, None, False, Kept()

    def __enter__(self):
        require(not self._active, "this probe is measuring already; take another Probe to measure inside its block")
        self._before, self._active = self._recorder, True
        options = {"every": self._every, "columns": self._columns}
        self._recorder = Recorder(self._model, self._layers, self._norm, self._kept, **options)
        return self

    def __exit__(self, *_):
        self._active = False
        self._recorder.remove()
        if self._before is not None and self._every > 1 and not self._recorder.records:
            self._recorder = self._before  # `every` left this block out: the numbers are those of the last measured one
        self._before = None

    def table(self) -> pd.DataFrame:
        """What was measured, a row for each layer of each pass.

        Columns: pass, layer, depth, name, type, norm, nodes; then those of `layer_profile`: feature_deviation σ(X⁽ᵏ⁾),
        feature_norm (Σ π_i ‖X_i‖²)^{1/2}, feature_ratio their quotient; backward_deviation σ(B̃⁽ᵏ⁾), backward_norm,
        backward_ratio likewise; backward_mean ‖μ(B̃⁽ᵏ⁾)‖; gradient, the norm over all parameters of the layer; NaN where
        no backward pass came by. Then dead_units, the share of units of X⁽ᵏ⁾ that are 0 at every node; the columns
        asked for; and note, empty or "not measured: why". components: connected components of the graph that came in,
        inside which means and deviations are taken. A norm that is a guess is "uniform (guessed)".

        Returns:
            pandas.DataFrame.

        Raises:
            ValueError: nothing ran.

        Source: the book's page *Notation*.
        """
        import pandas as pd

        depths, rows = {}, []
        for record in self._records():
            layer = depths[record.run] = depths.get(record.run, -1) + 1
            rows.append(_row(record, layer, *self._layers[record.layer]))
        first = rows[0]["pass"]
        for index in self._silent():
            why = self._recorder.troubles.get(index, "it never ran while the probe was on")
            record = Record(index, first, note=why)
            depths[first] += 1
            rows.append(_row(record, depths[first], *self._layers[index]))
        for row in rows:
            row["depth"] = depths[row["pass"]] + 1
        return pd.DataFrame(rows).sort_values("pass", kind="stable", ignore_index=True)

    @checked
    def diagnosis(
        self,
        targets: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        loss: float | torch.Tensor | Callable | None = None,
        output: str | int | tuple | Callable | None = None,
        *,
        last_only: bool = False,
        **thresholds: float,
    ) -> Diagnosis:
        """What the numbers mean: a verdict in words, with the numbers that support it and what to try.

        Args:
            targets: y, to compare the loss of the last pass with that of the best constant prediction: class numbers
                (n,), or numbers of the output's shape; None leaves the comparison out.
            mask: (n,) booleans, the rows that the loss counts; None means all, or those at which an error arrived.
            loss: the loss, as a number or as a function of (prediction, targets); None: the one of cross-entropy,
                negative log-likelihood, binary cross-entropy, squared and absolute error whose gradient arrived.
            output: which part of the model's output the targets belong to: a key, an index, or a function of the
                output; None: its first floating tensor.
            last_only: whether to read the last differentiated pass, and not the median of all.
            **thresholds: limits of the rules, by name: see `Thresholds` in ``oversmooth.probe.rules``.

        Returns:
            `Diagnosis`: print it, or ask its ``verdict``.

        Raises:
            ValueError: nothing ran, no backward pass ran, targets that do not fit the output, or unknown thresholds.

        Source: the book's theorems thm-backward-step and thm-spurious; the thresholds are ours.
        """
        table, records = self.table(), self._recorder.records
        require(
            any(record.backward is not None for record in records) or any(r.gradients for r in records),
            "no backward pass was measured: call loss.backward() inside the block",
        )
        differentiated = table.loc[table["backward_norm"].notna(), "pass"]
        if last_only and len(differentiated):
            table = table[table["pass"] == differentiated.max()]
        given = {"loss": loss, "chosen": output, "thresholds": thresholds}
        return diagnose(table, self._recorder.output, targets, mask, self._facts(table), **given)

    def _facts(self, table):
        """What the rules read beside the table."""
        shown = set(table["pass"])
        records = [record for record in self._recorder.records if record.run in shown]
        counts, pairs = dict.fromkeys(shown, -1), []
        for record in records:
            counts[record.run] += 1
            pairs.append((counts[record.run], record))
        found = self._recorder.output
        first = records[0].feature
        return {
            "epsilon": max(record.epsilon for record in records),
            "broken": [layer for layer, record in pairs if not record.is_finite()],
            "broken_features": [
                layer for layer, r in pairs if r.nodes and not all(map(math.isfinite, r.feature or ()))
            ],
            "output_broken": found is not None and not math.isfinite(found.deviation),
            "input_broken": not _finite(first),
            "same_input": records[0].same,
            "raw": [layer for layer, record in pairs if record.raw],
            "updates": self._recorder.updates,
            "zero_parameters": self._recorder.zero_parameters,
            "trail": self._kept.trail,
        }

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the ratios and the norms over the layers: see `draw_probe_ratios` and `draw_probe_norms`.

        Args:
            axes: two matplotlib axes; None makes a figure of two panels.

        Returns:
            The two axes.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the extra ``oversmooth[plot]`` brings it.
        """
        with drawing("probe.plot()"):
            from oversmooth.drawing.probe import draw_probe_norms, draw_probe_ratios
            from oversmooth.drawing.theme import panels
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
        return self._recorder.records

    def _silent(self):
        """Indices of the layers that were never measured."""
        ran = {record.layer for record in self._recorder.records}
        return [index for index in range(len(self._layers)) if index not in ran]

    @property
    def active(self) -> bool:
        """Whether it is measuring now."""
        return self._active

    @property
    def layers(self) -> list[tuple[str, torch.nn.Module]]:
        """Name and module of every layer that is measured."""
        return list(self._layers)

    def steps(self) -> dict[int, int]:
        """Number of a pass in the table -> training passes before it, measured or not."""
        return {record.run: record.step for record in self._records()}

    def _names(self):
        return ", ".join(name for name, _ in self._layers)


def _row(record, layer, name, module):
    feature, backward = (found or Moments(math.nan, math.nan) for found in (record.feature, record.backward))
    shown = name if record.part is None else f"{name}[{record.part}]"
    return (
        {"pass": record.run, "layer": layer, "depth": 0, "name": shown, "type": type(module).__name__}
        | {"norm": record.norm, "nodes": record.nodes, "components": record.components}
        | _measures("feature", feature)
        | _measures("backward", backward)
        | {"backward_mean": backward.mean_norm, "gradient": _norm(record), "dead_units": record.dead}
        | record.extra
        | {"note": f"not measured: {record.note}" if record.note else ""}
    )


def _finite(moments):
    return moments is None or all(map(math.isfinite, moments))


def _measures(kind, moments):
    return {f"{kind}_{measure}": getattr(moments, measure) for measure in ("deviation", "norm", "ratio")}


def _norm(record):
    return math.hypot(*record.gradients.values()) if record.gradients else math.nan
