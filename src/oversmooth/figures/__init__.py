"""Drawing: ``draw_...(ax, table)`` functions that draw what a table holds and compute nothing, in one theme.

A chapter's functions live in ``figures/<chapter>.py`` and are named again here; `_theme` says how to
write one.
"""

from oversmooth.figures._theme import PALETTE, THEORY, band, draw_floor, panels, set_theme, style
from oversmooth.figures.backward import (
    draw_backward,
    draw_backward_bound,
    draw_interventions,
    draw_mixed_signs,
    draw_norms,
    draw_positions,
    draw_same_rate,
    draw_smoothness_map,
)
from oversmooth.figures.forward import (
    draw_collapse,
    draw_measures,
    draw_modes,
    draw_phase,
    draw_rate_scale,
    draw_snapshot,
)
from oversmooth.figures.real_graphs import draw_components, draw_factors, draw_signals

__all__ = [
    "PALETTE",
    "THEORY",
    "band",
    "draw_backward",
    "draw_backward_bound",
    "draw_collapse",
    "draw_components",
    "draw_factors",
    "draw_floor",
    "draw_interventions",
    "draw_measures",
    "draw_mixed_signs",
    "draw_modes",
    "draw_norms",
    "draw_phase",
    "draw_positions",
    "draw_rate_scale",
    "draw_same_rate",
    "draw_signals",
    "draw_smoothness_map",
    "draw_snapshot",
    "panels",
    "set_theme",
    "style",
]
