"""What the saved tables say: depths at which little is left, an exponent, and the tables that the page shows."""

import numpy as np
import pandas as pd

from oversmooth_book.experiments.common import log_slope


def onset(bands, level=0.1):
    """The first layer at which the median over the seeds is at most ``level``: a Series by graph, network and where.

    ``bands``: one table of `networks.factor_bands`. -1 where no layer is that low.
    """
    keys = ["graph", "network", "where"]
    reached = bands[bands["median"] <= level].groupby(keys, sort=False)["layer"].min()
    everything = pd.MultiIndex.from_frame(bands[keys].drop_duplicates())
    return reached.reindex(everything, fill_value=-1)


def shrinking_exponents(norm, network="orthogonal, tanh", start=8):
    """How the norm falls without the graph: slope of log norm against log k from ``start`` on, a Series by graph."""
    rows = norm[(norm["network"] == network) & (norm["where"] == "no graph") & (norm["layer"] >= start)]
    found = {graph: log_slope(np.log(one["layer"]), one["median"]) for graph, one in rows.groupby("graph", sort=False)}
    return pd.Series(found)


def overview(counts, curves, summary):
    """The chapter's first table, as text: a row for each graph with its sizes, its rates, and what Metropolis leaves.

    From `measure.census` and the two tables of `measure.smoothing`.
    """
    rates = summary.pivot(index="graph", columns="propagation", values="rate")
    left = curves[curves["propagation"] == "metropolis"].pivot(index="graph", columns="layer", values="measured")
    table = counts.set_index("graph")[["nodes", "components", "largest", "edges"]].astype(str)
    for kind, label in {"metropolis": "λ Metropolis", "random_walk": "λ random walk"}.items():
        table[label] = rates[kind].map("{:.4f}".format)
    for layer in dict.fromkeys([8, 32, left.columns.max()]):
        table[f"left, k = {layer}"] = left[layer].map("{:.2g}".format, na_action="ignore").fillna("")
    return table.rename_axis(None)


def depths(summary, deviation, norm):
    """The depth at which each factor bites, and both, as text: a row for each level (a tenth, a hundredth) and graph.

    Smoothing alone is read from the spectrum, shrinking alone is that of the norm without the graph, all else the
    deviation. From the second table of `measure.smoothing` and the two of `networks.factor_bands`.
    """
    columns = {
        "shrinking alone, ReLU": ("norm", "Glorot, ReLU", "no graph"),
        "shrinking alone, tanh": ("norm", "Glorot, tanh", "no graph"),
        "both, ReLU": ("deviation", "Glorot, ReLU", "graph"),
        "both, tanh": ("deviation", "Glorot, tanh", "graph"),
        "both, ReLU × √2": ("deviation", "He, ReLU", "graph"),
    }
    rows, last = [], deviation.groupby("graph", sort=False)["layer"].max()
    alone = summary.set_index(["graph", "propagation"])
    for share, level in {"tenth": 0.1, "hundredth": 0.01}.items():
        reached = {"deviation": onset(deviation, level), "norm": onset(norm, level)}
        for graph in last.index:
            spectral = alone.loc[graph, "metropolis"]
            bound = "" if share == "tenth" or spectral["exact"] else "≥ "
            row = {"left": f"a {share}", "graph": graph, "smoothing alone": f"{bound}{spectral[share]}"}
            for label, (value, network, where) in columns.items():
                depth = reached[value][graph, network, where]
                row[label] = str(depth) if depth >= 0 else f"> {last[graph]}"
            rows.append(row)
    return pd.DataFrame(rows).set_index(["left", "graph"])


def outcomes(table):
    """How each run of `training.training` ended, as text: loss / score, a row for each graph and network, by depth."""
    last = table[table["score"].notna()]
    text = last["loss"].map("{:.1f}".format) + " / " + last["score"].map("{:.2f}".format)
    shown = last.assign(text=text).pivot(index=["graph", "network"], columns="depth", values="text").fillna("")
    return shown.rename(columns="depth {}".format).rename_axis(columns=None)
