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
from oversmooth.figures.counterexample import (
    draw_dial_gradient,
    draw_dial_loss,
    draw_dial_rate,
    draw_label_variance,
    draw_mlp_gnn_depth,
    draw_mlp_gnn_training,
    draw_outcomes,
    draw_twin,
)
from oversmooth.figures.explore import draw_choice, draw_grid
from oversmooth.figures.forward import (
    draw_collapse,
    draw_measures,
    draw_modes,
    draw_phase,
    draw_rate_scale,
    draw_snapshot,
)
from oversmooth.figures.other_operators import draw_attention_paths, draw_operator_norms, draw_operators
from oversmooth.figures.probe import draw_probe_norms, draw_probe_ratios, draw_probe_verdicts
from oversmooth.figures.real_graphs import draw_components, draw_factors, draw_runs, draw_signals
from oversmooth.figures.remedies import (
    draw_best_constant,
    draw_remedies,
    draw_remedy_chain,
    draw_remedy_scores,
)
from oversmooth.figures.spurious import (
    draw_eigenvalues,
    draw_first_steps,
    draw_gradient_depth,
    draw_gradient_layers,
    draw_gradient_loss,
    draw_large_weights,
    draw_layer_gradients,
    draw_loss_depth,
    draw_loss_plane,
    draw_plateaus,
    draw_three_numbers,
    draw_training_loss,
    draw_ways,
)

__all__ = [
    "PALETTE",
    "THEORY",
    "band",
    "draw_attention_paths",
    "draw_backward",
    "draw_backward_bound",
    "draw_best_constant",
    "draw_choice",
    "draw_collapse",
    "draw_components",
    "draw_dial_gradient",
    "draw_dial_loss",
    "draw_dial_rate",
    "draw_eigenvalues",
    "draw_factors",
    "draw_first_steps",
    "draw_floor",
    "draw_gradient_depth",
    "draw_gradient_layers",
    "draw_gradient_loss",
    "draw_grid",
    "draw_interventions",
    "draw_label_variance",
    "draw_large_weights",
    "draw_layer_gradients",
    "draw_loss_depth",
    "draw_loss_plane",
    "draw_measures",
    "draw_mixed_signs",
    "draw_mlp_gnn_depth",
    "draw_mlp_gnn_training",
    "draw_modes",
    "draw_norms",
    "draw_operator_norms",
    "draw_operators",
    "draw_outcomes",
    "draw_phase",
    "draw_plateaus",
    "draw_positions",
    "draw_probe_norms",
    "draw_probe_ratios",
    "draw_probe_verdicts",
    "draw_rate_scale",
    "draw_remedies",
    "draw_remedy_chain",
    "draw_remedy_scores",
    "draw_runs",
    "draw_same_rate",
    "draw_signals",
    "draw_smoothness_map",
    "draw_snapshot",
    "draw_three_numbers",
    "draw_training_loss",
    "draw_twin",
    "draw_ways",
    "panels",
    "set_theme",
    "style",
]
