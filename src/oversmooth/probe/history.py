"""A probe over a training: the numbers of every few steps, their picture, and a page to send around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from oversmooth._arguments import checked
from oversmooth._validation import drawing, require
from oversmooth.probe.diagnosis import Diagnosis
from oversmooth.probe.probe import Probe
from oversmooth.probe.report import page
from oversmooth.propagation.averaging import Weighting

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# column -> what a heat map of layers × steps is called
MAPS = {
    "feature_ratio": "features: deviation / norm",
    "backward_ratio": "errors: deviation / norm",
    "mean_error": "mean error / error",
    "gradient": "gradient",
}


class ProbeHistory:
    """Measure a model every few training steps, and tell a plateau from a moment.

    Use it in a ``with`` block around the training, or without one and `close` it; a training pass is a step, and
    validation is none. `step`, called once a step after the loss is known, adds the loss.

    Args:
        model: for `Probe`.
        every: training steps between two measurements.
        select: for `Probe`.
        norm: for `Probe`.
        columns: for `Probe`.

    Raises:
        ValueError: every is less than 1, or what `Probe` refuses.

    Example:
        >>> import oversmooth as osm, torch, torch_geometric
        >>> data = osm.csbm(60, p_in=0.5, p_out=0.1)
        >>> _ = torch.manual_seed(0)
        >>> model = torch_geometric.nn.GCN(8, 16, num_layers=2, out_channels=2).double()
        >>> optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        >>> with osm.ProbeHistory(model, every=10) as history:
        ...     for _ in range(21):
        ...         optimizer.zero_grad()
        ...         loss = torch.nn.functional.cross_entropy(model(data.x, data.edge_index), data.y)
        ...         loss.backward()
        ...         optimizer.step()
        ...         history.step(loss)
        >>> sorted(set(history.table()["step"])), history.diagnosis(data.y).verdict
        ([0, 10, 20], 'healthy')

    Source: ours.
    """

    @checked
    def __init__(
        self,
        model: torch.nn.Module,
        every: int = 50,
        select: str | Sequence[str] | type | tuple[type, ...] | Callable | None = None,
        norm: str | Weighting | dict[str, str | Weighting] = "auto",
        columns: str | Sequence[str] = (),
    ):
        self._probe = Probe(model, select, norm, every, columns)
        self._every, self._steps, self._losses = every, 0, {}
        self._probe.__enter__()

    def __enter__(self):
        if not self._probe.active:
            self._probe.__enter__()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Take the hooks off the model; the numbers stay."""
        if self._probe.active:
            self._probe.__exit__(None, None, None)

    @checked
    def step(self, loss: float | torch.Tensor | None = None) -> None:
        """Say that a training step is over.

        Args:
            loss: its loss; kept for the steps that are measured, so that others need not wait for the device.
        """
        if loss is not None and self._steps % self._every == 0:
            self._losses[self._steps] = float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
        self._steps += 1

    def table(self) -> pd.DataFrame:
        """What was measured: the columns of `Probe.table`, with step and loss (NaN where it was not given).

        Returns:
            pandas.DataFrame, a row for each layer of each measured step.

        Raises:
            ValueError: nothing ran.
        """
        table = self._probe.table()
        steps = self._probe.steps()
        table.insert(0, "step", table["pass"].map(steps))
        table.insert(1, "loss", table["step"].map(self._losses))
        table["mean_error"] = table["backward_mean"] / table["backward_norm"].where(table["backward_norm"] > 0)
        return table

    def diagnosis(self, targets: torch.Tensor | None = None, mask: torch.Tensor | None = None, **options) -> Diagnosis:
        """The verdict on the last measured step, in the light of those before: a plateau, or none.

        Args:
            targets: for `Probe.diagnosis`.
            mask: for `Probe.diagnosis`.
            **options: for `Probe.diagnosis`.

        Returns:
            `Diagnosis`.

        Raises:
            ValueError: what `Probe.diagnosis` refuses.
        """
        return self._probe.diagnosis(targets, mask, last_only=True, **options)

    def scalars(self) -> dict[str, float]:
        """The last measured step as numbers with names, for a logger: see `Probe.scalars`."""
        return self._probe.scalars()

    def plot(self) -> Figure:
        """Draw ratios, mean error and gradient as layers × steps, under the loss.

        Returns:
            The matplotlib figure.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the extra ``oversmooth[plot]`` brings it.
        """
        with drawing("history.plot()"):
            from oversmooth.drawing.probe import probe_history
        return probe_history(self.table(), MAPS)

    def report(self, path: str | Path, targets: torch.Tensor | None = None, mask: torch.Tensor | None = None) -> None:
        """Write a page with verdict, figures and table: one HTML file that needs neither a network nor matplotlib.

        Args:
            path: where to.
            targets: for `diagnosis`.
            mask: for `diagnosis`.

        Raises:
            ValueError: what `diagnosis` refuses, or a folder that is not there.
        """
        path = Path(path)
        require(path.parent.is_dir(), f"path is {str(path)!r}; the folder {str(path.parent)!r} is not there")
        path.write_text(page(self.table(), self.diagnosis(targets, mask), MAPS), encoding="utf-8")
