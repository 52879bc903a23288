"""Draw the figure of README.md: `python scripts/readme_figure.py` writes data/published/readme.png.

One random graph with two communities, one deep network and, with the same weights, one multi-layer perceptron.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch

import oversmooth as osm
from oversmooth.drawing.theme import BACKWARD, FORWARD

DEPTH, WIDTH, SEEDS = 33, 32, list(range(10))
GRAPH_NETWORK, PERCEPTRON = "graph neural network", "perceptron, same weights"


def measure(data) -> tuple[pd.DataFrame, float]:
    """Relative deviation of features and errors in every layer, for both networks and every seed.

    Args:
        data: graph with features and labels 0 and 1.

    Returns:
        A row per network, seed and layer; and the graph's smoothing rate.
    """
    targets = 2.0 * data.y[:, None] - 1
    tables = []
    for name, kind in ((GRAPH_NETWORK, "metropolis"), (PERCEPTRON, "identity")):
        P = osm.Propagation.from_data(data, kind=kind)
        for seed in SEEDS:
            network = osm.Network(P, widths=[data.num_features, *[WIDTH] * (DEPTH - 1), 1], seed=seed)
            signals = osm.trace(network, data.x, lambda output: (output - targets).square().mean())
            tables.append(osm.layer_profile(signals).assign(network=name, seed=seed))
    return pd.concat(tables), osm.Propagation.from_data(data, kind="metropolis").rate


def draw(table: pd.DataFrame, rate: float) -> plt.Figure:
    """Features on the left, backpropagated errors on the right.

    Args:
        table: what `measure` returns.
        rate: λ, the slope of the dashed line.

    Returns:
        The figure.
    """
    sns.set_theme(context="paper", style="ticks")
    look = {"hue": "network", "style": "network", "errorbar": ("pi", 100)}
    look |= {"palette": {GRAPH_NETWORK: FORWARD, PERCEPTRON: BACKWARD}}
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    panels = (("feature_ratio", "features, from input to output"), ("backward_ratio", "errors, from output to input"))
    for ax, (column, title) in zip(axes, panels, strict=True):
        sns.lineplot(table, x="layer", y=column, ax=ax, **look)
        ax.set(yscale="log", xlabel="layer", ylabel="deviation / norm", title=title)
        ax.get_legend().set_title(None)
    layers = range(DEPTH)
    first = table.query("layer == 0 and network == @GRAPH_NETWORK").feature_ratio.mean()
    axes[0].plot(layers, [first * rate**k for k in layers], "k--", label="λ to the power of the layer")
    axes[0].legend(frameon=False)
    axes[1].get_legend().remove()
    sns.despine(figure)
    return figure


def main() -> None:
    """Measure, draw, write."""
    torch.set_num_threads(1)
    place = Path(__file__).resolve().parents[1] / "data" / "published" / "readme.png"
    place.parent.mkdir(parents=True, exist_ok=True)
    figure = draw(*measure(osm.csbm(num_nodes=400, seed=0)))
    figure.savefig(place, dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    main()
