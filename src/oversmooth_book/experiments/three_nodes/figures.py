"""Figures of the chapter on three nodes."""

from matplotlib.colors import LinearSegmentedColormap, Normalize

from oversmooth.drawing.theme import BACKWARD, FORWARD, LINES, style

# White where a node agrees with the average, as in the picture on the first page.
DEPARTURE = LinearSegmentedColormap.from_list("departure", [FORWARD, "white", BACKWARD])
# What stands at a line, and how far above it, in points.
LOOKS = {
    ("graph", "untrained"): ("untrained", -13, {**style("gnn"), "linestyle": LINES[3]}),
    ("graph", "last layer trained"): ("last layer trained", 8, style("gnn")),
    ("no graph", "last layer trained"): ("last layer trained, without the graph", 10, style("mlp")),
}


def draw_ladder(ax, table):
    """The three nodes once per step, from the bottom up for features, from the top down for errors.

    Args:
        ax: where.
        table: columns signal, step, node, value, fraction; one signal.
    """
    up, last = table["signal"].iloc[0] == "features", table["step"].max()
    shown, norm = table.assign(height=table["step"] if up else last - table["step"]), Normalize(-2 / 3, 2 / 3)
    for _, rows in shown.groupby("step"):
        ax.plot(rows["node"], rows["height"], color="0.6", linewidth=1.5, marker="", zorder=1)
        departure = norm(rows["value"] - rows["value"].mean())
        nodes = {"c": DEPARTURE(departure), "s": 1500, "edgecolors": "0.35", "zorder": 2}
        ax.scatter(rows["node"], rows["height"], **nodes)
        for (_, row), place in zip(rows.iterrows(), departure, strict=True):
            ink = "white" if abs(place - 0.5) > 0.28 else "black"
            spot = (row["node"], row["height"])
            ax.text(*spot, row["fraction"], ha="center", va="center", color=ink, fontsize=10.5, zorder=3)
    names = ["input" if up else "output"]
    names += [f"layer {k}" if up else f"{k} layer{'s' * (k > 1)} down" for k in range(1, last + 1)]
    ax.set_yticks(range(last + 1), names if up else names[::-1])
    ax.set(xlim=(0.6, 3.4), ylim=(-0.45, last + 0.45), xticks=[1, 2, 3], xlabel="node")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_title("Features, on their way up ↑" if up else "Errors, on their way down ↓")


def draw_gradients(ax, table):
    """The gradient of every layer: untrained, with the last layer trained, and the same without the graph.

    Args:
        ax: where.
        table: columns network, state, layer, gradient.
    """
    for (network, state), (name, above, look) in LOOKS.items():
        rows = table[(table["network"] == network) & (table["state"] == state)]
        (line,) = ax.plot(rows["layer"], rows["gradient"], label=name, **{**look, "markevery": 4})
        place = rows[["layer", "gradient"]].iloc[len(rows) // 4]
        ax.annotate(name, place, (0, above), textcoords="offset points", color=line.get_color(), va="center")
    ax.set_yscale("log")
    ax.set(xlabel="layer $k$", ylabel="gradient of layer $k$", xticks=range(0, int(table["layer"].max()) + 1, 4))
