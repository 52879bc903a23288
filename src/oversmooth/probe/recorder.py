"""What a probe does while it is on: hooks that measure every signal the moment it passes and keep numbers only."""

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch

from oversmooth._validation import require
from oversmooth.moments import Moments, backward_moments, entrywise_norm, feature_moments, wide
from oversmooth.probe.norms import edge_arguments, infer_norm, node_weights
from oversmooth.propagation.averaging import Weighting


@dataclass
class Record:
    """One call of one layer: σ² and ‖μ‖² of what came in and of the error that came back, as floats.

    Tensors, however small, would hold on to the memory between which they lie: gigabytes in a thousand passes.

    Attributes:
        layer: index of the layer among those watched.
        run: which pass through the model, from 0.
        nodes: rows of the features that came in.
        norm: name of the norm.
        weights: node weights of the output, for the error.
        feature: the `Moments` of X.
        epsilon: machine epsilon of the features' dtype.
        backward: the `Moments` of B, or None.
        gradients: index of a parameter -> norm of its gradient.
        waiting: ran without gradients, as a checkpoint does before it runs again during the backward pass.
    """

    layer: int
    run: int
    nodes: int
    norm: str
    weights: Weighting | None
    feature: Moments
    epsilon: float
    backward: Moments | None = None
    gradients: dict = field(default_factory=dict)
    waiting: bool = False

    def is_finite(self):
        """Whether all that was measured is finite."""
        return all(map(math.isfinite, (*self.feature, *(self.backward or ()), *self.gradients.values())))


@dataclass
class Output:
    """What the model gave in one pass: Ŷ (a copy), σ(Ŷ), and the output error's size √m ‖∂𝓛/∂Ŷ‖ over its m rows."""

    value: torch.Tensor
    deviation: float
    error: float | None = None


@dataclass
class Watched:
    """A layer and what must be remembered between its hooks."""

    name: str
    module: torch.nn.Module
    norm: str | Weighting
    edges: Callable
    entered: list = field(default_factory=list)
    pending: list = field(default_factory=list)  # records whose error came, and whose parameters' gradients did not yet
    closed: bool = False
    parameters_hooked: bool = False


@dataclass
class Kept:
    """What stays the same from pass to pass, so that it is measured once; refers weakly to the user's tensors.

    Attributes:
        inputs: name of a layer -> what it received, its version, the weights, the moments.
        weights: norm and kind of layer -> the graph, its versions, the weights.
    """

    inputs: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)


class Recorder:
    """Installs hooks on a model's layers, and removes its own again.

    Attributes:
        records: a `Record` for each call.
        output: the `Output` of the last pass, None before.
        layers: the watched layers.
    """

    def __init__(self, model, layers, norm, kept):
        self.records, self.output, self.runs = [], None, 0
        self.layers = [_watched(name, module, norm) for name, module in layers]
        self._kept, self._spare, self._inside, self._backward_seen = kept, {}, False, True
        self._handles = [model.register_forward_pre_hook(self._enter_model)]
        for index, layer in enumerate(self.layers):
            enter, leave = partial(self._enter, layer), partial(self._leave, index, layer)
            self._handles.append(layer.module.register_forward_pre_hook(enter, with_kwargs=True))
            self._handles.append(layer.module.register_forward_hook(leave, with_kwargs=True))
        self._handles.append(model.register_forward_hook(self._leave_model))

    def remove(self):
        """Remove every hook this recorder installed, on modules, parameters and outputs, and drop what it kept."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._spare.clear()
        for layer in self.layers:
            layer.entered, layer.pending = [], []
        for record in self.records:
            record.weights = None

    def _begin(self):
        self.runs, self._backward_seen = self.runs + 1, False
        # Handles of outputs that no longer exist; the live ones may still see their backward pass.
        self._handles = [handle for handle in self._handles if handle.hooks_dict_ref() is not None]
        for layer in self.layers:
            layer.entered.clear()

    def _enter_model(self, module, args):
        if not _in_backward():
            self._begin()
            self._inside = True

    def _leave_model(self, module, args, output):
        self._inside = False
        return None if _in_backward() else self._watch_output(output)

    def _enter(self, layer, module, args, kwargs):
        """Measure X before the layer runs, for it may change X in place."""
        if _in_backward():
            return
        if not self._inside and self._backward_seen:
            self._begin()  # a part of the model was called, not the model
        X = _features(args, kwargs)
        graph = layer.edges(args, kwargs)
        weights = self._weights_of(layer, graph, X)
        moments = self._moments_of_input(layer, X, weights)
        layer.entered.append((_rows(X).shape[-2], moments, weights, graph, torch.finfo(X.dtype).eps))

    def _leave(self, index, layer, module, args, kwargs, output):
        signal = _first_tensor(output)
        # A checkpoint runs the layer again during the backward pass: its record is there already.
        if _in_backward():
            return self._recomputed(layer, signal)
        # One record a call: what `_enter` measured of the features, and the weights that B will be measured with, whose
        # rows are the output's nodes.
        nodes, moments, weights, graph, epsilon = layer.entered.pop()
        if _rows(signal).shape[-2] != nodes and isinstance(layer.norm, str):
            weights = self._weights_of(layer, graph, signal)  # a bipartite layer: other nodes come out
        norm = layer.norm if isinstance(layer.norm, str) else "given"
        record = Record(index, self.runs - 1, nodes, norm, weights, moments, epsilon)
        self.records.append(record)
        self._watch_parameters(layer)
        # B = ∂𝓛/∂(output) comes by a hook on the tensor: a module's own hook fails where an in-place ReLU follows. A
        # checkpoint's first run has no gradient; its record waits for the second.
        record.waiting = not signal.requires_grad
        changed = None if record.waiting else self._watch(output, signal, partial(self._arrived, layer, record))
        # Outside a call of the model the layers are called by hand, and the last one's output is the pass's.
        if self._inside:
            return changed
        replaced = self._watch_output(output if changed is None else changed)
        return changed if replaced is None else replaced

    def _recomputed(self, layer, signal):
        """A checkpoint runs its layer twice; the errors pass through the second run."""
        waiting = [record for record in self.records if record.waiting and self.layers[record.layer] is layer]
        if waiting and signal.requires_grad:
            waiting[-1].waiting = False
            self._handles.append(signal.register_hook(partial(self._arrived, layer, waiting[-1])))

    def _watch(self, output, signal, hook):
        """Hook the error of a signal; returns the output to use instead, or None."""
        instead = None
        if signal._is_view():
            # An in-place operation on a view (inplace ReLU) would cut the view, and the hook with it, out of the graph.
            signal = signal.clone()
            instead = signal if isinstance(output, torch.Tensor) else type(output)([signal, *output[1:]])
        self._handles.append(signal.register_hook(hook))
        return instead

    def _watch_output(self, output):
        signal = _first_tensor(output, required=False)
        if signal is None:
            return None
        value = signal.detach().clone()
        deviation = self._measure(feature_moments, value, None).deviation
        entry = self.output = Output(value, deviation)
        if not signal.requires_grad or not isinstance(output, torch.Tensor):
            return None
        return self._watch(output, signal, partial(self._output_arrived, entry))

    def _watch_parameters(self, layer):
        # After the first call: lazy parameters have their shape only then.
        if layer.parameters_hooked:
            return
        layer.parameters_hooked = True
        for index, parameter in enumerate(layer.module.parameters()):
            if parameter.requires_grad:
                self._handles.append(parameter.register_hook(partial(self._parameter_arrived, layer, index)))

    def _arrived(self, layer, record, gradient):
        self._backward_seen = True
        record.backward = self._measure(backward_moments, gradient, record.weights)
        if layer.closed:
            layer.pending, layer.closed = [], False
        layer.pending.append(record)

    def _output_arrived(self, entry, gradient):
        with torch.no_grad():
            rows = _rows(gradient.detach())
            used = int(rows.ne(0).any(-1).sum())
            entry.error = used**0.5 * _size(rows)

    def _parameter_arrived(self, layer, index, gradient):
        # Comes once, after the errors of all calls; gradients accumulated before this backward pass are not in it.
        layer.closed = True
        with torch.no_grad():
            gradient = gradient.detach()
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            norm = _size(values)
        for record in layer.pending:
            record.gradients[index] = norm

    def _measure(self, moments, signal, weights):
        """The `Moments` of a signal of any shape (…, n, d); the mean over leading dimensions."""
        with torch.no_grad():
            signal = _rows(signal.detach())
            signal = signal.to(_working(signal))
            spare = self._spare.setdefault((signal.dtype, signal.device), {})
            return _pooled(moments(signal, weights, spare))

    def _moments_of_input(self, layer, X, weights):
        """Those of X; once for an input that is the same in every pass."""
        if X.requires_grad:
            return self._measure(feature_moments, X, weights)
        kept = self._kept.inputs.get(layer.name)
        if kept is None or kept[0]() is not X or kept[1] != _version(X) or kept[2] is not weights:
            kept = (_reference(X), _version(X), weights, self._measure(feature_moments, X, weights))
            self._kept.inputs[layer.name] = kept
        return kept[3]

    def _weights_of(self, layer, graph, signal):
        """The node weights of a call; layers that share graph and norm share them."""
        if not isinstance(layer.norm, str):
            return layer.norm
        edges, edge_weight = graph
        num_nodes = _rows(signal).shape[-2]
        loops = (getattr(layer.module, "add_self_loops", None), getattr(layer.module, "improved", None))
        slot = (layer.norm, type(layer.module), loops, num_nodes)
        versions = (_version(edges), _version(edge_weight))
        kept = self._kept.weights.get(slot)
        if kept is None or kept[0]() is not edges or kept[1]() is not edge_weight or kept[2] != versions:
            weights = node_weights(layer.norm, layer.module, edges, edge_weight, num_nodes, signal)
            kept = (_reference(edges), _reference(edge_weight), versions, weights)
            self._kept.weights[slot] = kept
        return kept[3]


def _size(values):
    """The norm of all entries of a tensor, a float."""
    return float(entrywise_norm(values.to(wide(values))))


def _pooled(found):
    """The mean over leading dimensions of `Moments`, as floats, in the largest of their units."""
    if found.spread.dim() == 0:
        return Moments(*map(float, found))
    scale = torch.as_tensor(found.scale, dtype=found.spread.dtype, device=found.spread.device)
    unit = scale.max()
    spread, centre = ((value * (scale / unit).square()).mean() for value in found[:2])
    return Moments(float(spread), float(centre), float(unit))


def _watched(name, module, norm):
    given = norm.get(name, "auto") if isinstance(norm, dict) else norm
    return Watched(name, module, infer_norm(module) if given == "auto" else given, edge_arguments(module))


def _working(signal):
    """Half precision is measured in single."""
    return torch.float32 if signal.dtype in (torch.float16, torch.bfloat16) else signal.dtype


def _rows(signal):
    if signal.layout != torch.strided:
        signal = signal.to_dense()
    if signal.dim() == 1:
        return signal[:, None]
    return signal if signal.dim() <= 3 else signal.flatten(0, -3)


def _features(args, kwargs):
    """The first floating tensor among a call's arguments; of a pair (source, target) the source."""
    for value in (*args, *kwargs.values()):
        found = _first_tensor(value, required=False)
        if found is not None:
            return found
    raise ValueError("a watched layer was called without a floating tensor; leave it out with select=...")


def _first_tensor(value, required=True):
    values = value if isinstance(value, tuple | list) else [value]
    for candidate in values:
        if isinstance(candidate, torch.Tensor) and candidate.is_floating_point() and candidate.dim() > 0:
            return candidate
    came = type(value).__name__
    require(not required, f"a watched layer returned {came} without a floating tensor; select others")
    return None


def _reference(value):
    return (lambda: None) if value is None else weakref.ref(value)


def _version(value):
    if value is None or (isinstance(value, torch.Tensor) and value.is_inference()):
        return None
    return getattr(value, "_version", None)


def _in_backward():
    """Whether autograd is running, which then runs a checkpointed layer again."""
    return torch._C._current_graph_task_id() != -1
