"""Figures of the chapter on real graphs; those named ``_figure`` return each graph's axes, for the page to tint."""

from oversmooth.drawing.theme import LINES, THEORY, band, panels, style
from oversmooth_book.experiments.figures import OPEN, draw_modes, panel_for_each

# Networks, in the colour of their activation; other weights have another line.
NETWORKS = {
    "orthogonal, identity": style("identity"),
    "orthogonal, tanh": style("tanh") | {"linestyle": "-"},
    "orthogonal, ELU": style("elu"),
    "four times orthogonal, tanh": style(4),
    "Glorot, tanh": style("tanh") | {"linestyle": LINES[1], "marker": "P"},
    "Glorot, ReLU": style("relu"),
}
# (network, where) -> label, activation whose colour it takes.
FACTORS = {
    ("orthogonal, identity", "graph"): ("smoothing alone", "identity"),
    ("Glorot, tanh", "no graph"): ("shrinking alone, tanh", "tanh"),
    ("Glorot, tanh", "graph"): ("both, tanh", "tanh"),
    ("Glorot, ReLU", "no graph"): ("shrinking alone, ReLU", "relu"),
    ("Glorot, ReLU", "graph"): ("both, ReLU", "relu"),
}
LIES_ON_ANOTHER = "Glorot, tanh"  # its backward signal, on that of the orthogonal network
SIGNALS = {"deviation": r"$\sigma(\tilde B^{(k)})$", "norm": r"$\Vert\tilde B^{(k)}\Vert$"}
ERRORS = {"deviation": "deviation, share of output", "ratio": "deviation over norm"}
RUNS = {"loss": "loss / label entropy", "mean_error": r"$\Vert\mu(\tilde B^{(L)})\Vert$", "gradient": "gradient"}
# Graph -> depth of the runs that are drawn, limits of the loss, what each panel shows.
SHOWN = {
    "Cora": (64, (0, 1.15), ("ReLU stays at 1", "its mean error, too", "for want of a gradient")),
    "tolokers": (32, (0.85, 1.3), ("Glorot stays at 1", "its mean error falls", "and its gradient, too")),
}


def smoothing_figure(curves):
    """A panel for each graph: what products with P leave; columns graph and those of `draw_modes`. Graph -> axes."""
    figure, axes = panel_for_each(curves, "graph", draw_modes, rows=2, columns=2, sharex=True, sharey=True)
    figure.legend(*next(iter(axes.values())).get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return axes


def components_figure(parts):
    """A panel for each graph of several components; columns graph and those of `draw_components`. Graph -> axes."""
    _, axes = panel_for_each(parts, "graph", draw_components, columns=2, sharey=True)
    next(iter(axes.values())).legend()
    return axes


def factors_figure(bands):
    """A panel for each graph: smoothing and shrinking; columns graph and those of `draw_factors`. Graph -> axes."""
    figure, axes = panel_for_each(bands, "graph", draw_factors, rows=2, columns=2, sharex=True, sharey=True)
    first = next(iter(axes.values()))
    first.set_ylim(1e-6, 2)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes


def backward_figure(signals):
    """Deviation and norm of the backward signal, a panel each; columns as for `draw_signals`. The axes."""
    figure, axes = panels(columns=2)
    for ax, (quantity, label) in zip(axes, SIGNALS.items(), strict=True):
        draw_signals(ax, signals[signals["network"] != LIES_ON_ANOTHER], f"backward_{quantity}", label)
    axes[1].set_ylim(axes[0].get_ylim())
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return axes


def errors_figure(table):
    """Deviation above, ratio below, an operator each: columns propagation and those of `draw_errors`. The axes."""
    figure, axes = panels(rows=2, columns=2, sharex=True, sharey="row")
    names = {"metropolis": "Metropolis weights", "random_walk": "random walk"}
    for i, (quantity, label) in enumerate(ERRORS.items()):
        for k, kind in enumerate(names):
            ax = axes[2 * i + k]
            draw_errors(ax, table[table["propagation"] == kind], quantity, label)
            ax.set_title(names[kind] if i == 0 else "")
            ax.label_outer()
    axes[0].set_ylim(1e-4, 1.5)
    axes[2].set_ylim(1e-4, 1.5)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return axes


def training_figure(runs):
    """Loss, mean error and gradient, a row for each graph; columns graph, as for `draw_runs`. Graph -> its axes."""
    _, axes = panels(rows=len(SHOWN), columns=len(RUNS), height=2.9)
    found = dict(zip(SHOWN, axes.reshape(len(SHOWN), -1), strict=True))
    for graph, row in found.items():
        depth, limits, messages = SHOWN[graph]
        for ax, (quantity, label), message in zip(row, RUNS.items(), messages, strict=True):
            draw_runs(ax, runs[(runs["graph"] == graph) & (runs["depth"] == depth)], quantity, label)
            ax.set_yscale("linear" if quantity == "loss" else "log")
            ax.set_title(message, fontsize=11)
        row[0].set_title(f"{graph}, depth {depth}\n{messages[0]}", fontsize=11)
        row[0].set_ylim(*limits)
        row[1].set_ylim(3e-4, 3)
        row[1].legend(fontsize=8.5, loc="upper right")
    return found


def draw_factors(ax, table):
    """Random networks on one graph, those of `FACTORS`: columns network, where, layer, median, low, high."""
    for (network, where), (label, activation) in FACTORS.items():
        rows = table[(table["network"] == network) & (table["where"] == where)]
        line = {"linestyle": "-"} if where == "graph" else OPEN
        band(ax, rows, "layer", label=label, **style(activation) | line)
    ax.axhline(0.1, color="0.4", linewidth=1.0, zorder=1)
    ax.set_yscale("log")
    ax.set(xlabel="layer $k$", ylabel=r"$\sigma(X^{(k)})\,/\,\sigma(X^{(0)})$")


def draw_components(ax, table):
    """The deviation on one graph and its parts inside components and between: columns layer, total, inside, between."""
    looks = {"total": (0, "-"), "inside": (1, "-"), "between": (2, (0, (5, 1.2)))}
    labels = {"total": "whole graph", "inside": "inside components", "between": "between components"}
    for name, (k, line) in looks.items():
        ax.plot(table["layer"], table[name], label=labels[name], **style(k) | {"linestyle": line}, markevery=2)
    ax.set(xlabel="layer $k$", ylabel=r"share of $\sigma(X)$", ylim=(0, 1.05))


def draw_runs(ax, table, quantity, ylabel):
    """Runs on one graph, a line for each network: columns network, step and the quantity."""
    for network, rows in table.groupby("network", sort=False):
        look = NETWORKS[network] | {"markevery": max(1, len(rows) // 5), "linewidth": 1.4}
        ax.plot(rows["step"], rows[quantity], label=network, **look)
    ax.set(xlabel="step", ylabel=ylabel)


def draw_errors(ax, table, quantity, ylabel):
    """One quantity of several losses' errors: columns graph, loss, quantity, layer, median, low, high."""
    for k, ((graph, loss), rows) in enumerate(table.groupby(["graph", "loss"])):
        band(ax, rows[rows["quantity"] == quantity], "layer", label=f"{graph}: {loss}", **style(k) | {"markevery": 5})
        expected = rows[rows["quantity"] == "predicted"]
        if quantity == "deviation":
            label = None if k else "spectrum of $P$"
            ax.plot(expected["layer"], expected["median"], label=label, **THEORY)
    ax.set_yscale("log")
    ax.set(xlabel=r"layer $k$   ($\leftarrow$ errors)", ylabel=ylabel)


def draw_signals(ax, table, quantity, ylabel):
    """One quantity of a pass by graph and network: columns graph, network, quantity, layer, median, low, high."""
    rows = table[table["quantity"] == quantity]
    for k, ((graph, network), one) in enumerate(rows.groupby(["graph", "network"], sort=False)):
        look = NETWORKS[network] if k else {"color": "0.45", "linestyle": "-", "marker": "x"}
        look = look | {"markevery": (2 * k, 12)}  # markers of coinciding lines stand beside one another
        band(ax, one, "layer", label=f"{graph}: {network}", **look)
    ax.set_yscale("log")
    ax.set(xlabel=r"layer $k$   ($\leftarrow$ errors)", ylabel=ylabel)
