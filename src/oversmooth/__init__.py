"""Measure forward and backward oversmoothing in graph neural networks.

The public names load on first use, so ``import oversmooth`` stays as cheap as ``import torch``.
"""

import importlib
import os

from oversmooth._version import __version__ as __version__

# module -> the public names it defines (tests check that each one exists)
_PUBLIC = {
    "graphs.datasets": ["available", "csbm", "digits", "karate", "largest_component", "load"],
    "propagation.matrix": ["Propagation"],
    "propagation.kinds": ["KINDS"],
    "propagation.deflation": ["deflate"],
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
    "propagation.modes": ["spectral_deviation"],
    "sweeps.sweep": ["SweepError", "sweep"],
    "models.remedies": ["REMEDIES", "DeepNetwork", "Remedy"],
    "probe.probe": ["Probe"],
    "probe.diagnosis": ["Diagnosis"],
    "probe.logging": ["lightning_callback"],
    "models.operators": ["OperatorNetwork", "OperatorSignals", "trace_operator"],
    "models.attention": ["backward_paths", "sequence_rates", "sequence_weights"],
    "drawing.theme": ["draw_floor", "panels", "set_theme"],
    "drawing.probe": ["draw_probe_norms", "draw_probe_ratios"],
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
    importlib.import_module("oversmooth._rounding.setting").enter()
