"""Figures that several chapters share."""

from oversmooth.drawing.theme import THEORY, style


def draw_modes(ax, table):
    """Measured deviation of a linear network as points, its spectral prediction dashed, λᵏ as a thin line.

    Args:
        ax: where.
        table: columns propagation, layer, measured, predicted, slowest; one graph.
    """
    names = {"metropolis": "Metropolis", "random_walk": "random walk"}
    for k, (kind, rows) in enumerate(table.groupby("propagation", sort=False)):
        look = style(kind)
        points = {"color": look["color"], "marker": look["marker"], "linestyle": "none"}
        ax.plot(rows["layer"], rows["slowest"], color=look["color"], linewidth=1.1, alpha=0.8, linestyle=(0, (1, 1.2)))
        points["markevery"] = max(1, len(rows) // 16)
        ax.plot(rows["layer"], rows["measured"], **points, label=f"measured, {names[kind]}")
        ax.plot(rows["layer"], rows["predicted"], **THEORY, label="predicted by all modes" if k else None)
    ax.plot([], [], color="0.4", linewidth=1.1, linestyle=(0, (1, 1.2)), label=r"slowest mode alone, $\lambda^k$")
    ax.set_yscale("log")
    ax.set(xlabel="layer $k$", ylabel=r"$\sigma(X^{(k)})\,/\,\sigma(X^{(0)})$")
