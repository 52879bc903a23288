"""Measure forward and backward oversmoothing in graph neural networks.

The public names load on first use, so ``import oversmooth`` stays as cheap as ``import torch``.
"""

import importlib
import os

__version__ = "0.1.0"

# module -> the public names it defines (tests check that each one exists)
_PUBLIC = {
    "graphs": ["available", "csbm", "digits", "karate", "largest_component", "load"],
    "propagation": ["Propagation"],
    "deflation": ["deflate"],
    "activations": ["ACTIVATIONS", "Activation"],
    "network": ["Network"],
    "signals": ["Signals", "Steps", "trace"],
    "smoothness": [
        "backward_deviation",
        "backward_mean",
        "deviation",
        "dirichlet_energy",
        "effective_rank",
        "energy",
        "layer_profile",
        "mean",
        "mean_average_distance",
        "relative_deviation",
    ],
    "checkpointing": ["streamed_profile"],
    "bounds": [
        "BackwardStep",
        "Certificate",
        "backward_step",
        "certificate",
        "forward_bound",
        "loss_floor",
        "mean_transport",
        "weight_norms",
    ],
    "stationary": ["train_last_layer"],
    "training": ["History", "fit"],
    "landscape": ["Curvature", "curvature", "hessian_product", "loss_plane"],
    "counterexamples": ["Counterexample", "counterexample"],
    "modes": ["spectral_deviation"],
    "sweeps": ["SweepError", "sweep"],
    "architectures": ["REMEDIES", "DeepNetwork", "Remedy"],
    "probe": ["Probe"],
    "probe_diagnosis": ["Diagnosis"],
    "probe_logging": ["lightning_callback"],
    "operator_networks": ["OperatorNetwork", "OperatorSignals", "trace_operator"],
    "attention": ["backward_paths", "sequence_rates", "sequence_weights"],
    "figures.theme": ["draw_floor", "panels", "set_theme"],
    "figures.backward": [
        "draw_backward",
        "draw_backward_bound",
        "draw_interventions",
        "draw_mixed_signs",
        "draw_norms",
        "draw_positions",
        "draw_same_rate",
        "draw_smoothness_map",
    ],
    "figures.counterexample": [
        "draw_dial_gradient",
        "draw_dial_loss",
        "draw_dial_rate",
        "draw_label_variance",
        "draw_mlp_gnn_depth",
        "draw_mlp_gnn_training",
        "draw_outcomes",
        "draw_twin",
    ],
    "figures.deflation": [
        "draw_amplitude",
        "draw_compared",
        "draw_conditions",
        "draw_depth_training",
        "draw_label_spectrum",
        "draw_modes_kept",
        "draw_moved_trap",
    ],
    "figures.explore": ["draw_choice", "draw_grid"],
    "figures.forward": [
        "draw_collapse",
        "draw_measures",
        "draw_modes",
        "draw_phase",
        "draw_rate_scale",
        "draw_snapshot",
    ],
    "figures.other_operators": ["draw_attention_paths", "draw_operator_norms", "draw_operators"],
    "figures.probe": ["draw_probe_norms", "draw_probe_ratios", "draw_probe_verdicts"],
    "figures.real_graphs": ["draw_components", "draw_factors", "draw_runs", "draw_signals"],
    "figures.remedies": ["draw_best_constant", "draw_remedies", "draw_remedy_chain", "draw_remedy_scores"],
    "figures.spurious": [
        "draw_eigenvalues",
        "draw_first_steps",
        "draw_gradient_depth",
        "draw_gradient_layers",
        "draw_gradient_loss",
        "draw_large_weights",
        "draw_layer_gradients",
        "draw_loss_depth",
        "draw_loss_plane",
        "draw_plateaus",
        "draw_three_numbers",
        "draw_training_loss",
        "draw_ways",
    ],
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'oversmooth' has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"oversmooth.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return [*globals(), *__all__]


if os.environ.get("OVERSMOOTH_ROUNDING"):
    importlib.import_module("oversmooth._rounding").enter()
