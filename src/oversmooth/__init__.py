"""Measure forward and backward oversmoothing in graph neural networks.

The public names load on first use, so ``import oversmooth`` stays as cheap as ``import torch``.
"""

import importlib

__version__ = "0.1.0"

# module -> the public names it defines (tests check that each one exists)
_PUBLIC = {
    "graphs": ["available", "csbm", "digits", "karate", "largest_component", "load"],
    "propagation": ["Propagation"],
    "activations": ["ACTIVATIONS", "Activation"],
    "network": ["Network"],
    "signals": ["Signals", "trace"],
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
    "counterexamples": ["Counterexample", "counterexample"],
    "modes": ["spectral_deviation"],
    "figures": [
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
