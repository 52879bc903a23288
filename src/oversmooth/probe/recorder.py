"""What a probe does while it is on: hooks that measure every signal the moment it passes and keep numbers only."""

import weakref
from functools import partial

import torch

from oversmooth.probe import extras
from oversmooth.probe.calls import inputs, parameters_of, signals_of
from oversmooth.probe.hooks import Hook, eager, in_backward
from oversmooth.probe.measures import signal_moments
from oversmooth.probe.norms import GUESSED, Sides, infer_norm, node_weights, recognised
from oversmooth.probe.outputs import Output
from oversmooth.probe.reading import (
    is_same,
    nodes_first,
    reference,
    size_of,
    updates_of,
    version_of,
    working,
    zero_parameters,
)
from oversmooth.probe.records import Call, Record, Watched

_ROUNDING = 1e-10  # of σ² beside ‖μ‖²


class Recorder:
    """Installs hooks on a model's layers, and removes its own again.

    Attributes:
        records: a `Record` for each call.
        output: the `Output` of the last pass that was differentiated, else of the last, None before.
        layers: the watched layers.
    """

    def __init__(self, model, layers, norm, kept, every=1, columns=()):
        self.records, self.outputs, self.runs, self.troubles = [], [], 0, {}
        self.layers = [_watched(name, module, norm) for name, module in layers]
        self._model, self._kept, self._every, self._columns = model, kept, every, columns
        self.updates, self.zero_parameters = updates_of(model), zero_parameters(model)
        self._inside, self._backward_seen, self._off, self._ran = False, True, False, set()
        self._eager = eager()
        self._handles = []
        self._hook(model.register_forward_pre_hook, self._enter_model)
        for index, layer in enumerate(self.layers):
            self._hook_layer(index, layer)
        self._hook(model.register_forward_hook, self._leave_model)

    @property
    def output(self):
        """The `Output` of the last pass that was differentiated, else of the last pass."""
        return next(
            (o for o in reversed(self.outputs) if o.error is not None), self.outputs[-1] if self.outputs else None
        )

    def __getstate__(self):
        kept = ("records", "outputs", "runs", "troubles", "updates", "zero_parameters")
        return {name: self.__dict__[name] for name in kept} | {"layers": [], "_handles": []}

    def remove(self):
        """Remove every hook this recorder installed, on modules, parameters and outputs, and drop what it kept."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.updates, self._model = max(self.updates, updates_of(self._model)), None
        self._eager.close()
        for layer in self.layers:
            layer.entered, layer.pending = [], []
        for record in self.records:
            record.weights = None

    def _hook(self, register, function, failed=lambda why: None, **options):
        self._handles.append(register(Hook(function, failed), **options))

    def _hook_layer(self, index, layer):
        failed = partial(self._failed, layer)
        try:
            self._hook(layer.module.register_forward_pre_hook, partial(self._enter, layer), failed, with_kwargs=True)
            self._hook(layer.module.register_forward_hook, partial(self._leave, index, layer), failed, with_kwargs=True)
            if layer.norm == GUESSED and hasattr(layer.module, "register_propagate_forward_pre_hook"):
                self._hook(layer.module.register_propagate_forward_pre_hook, partial(self._propagates, layer))
        except Exception as error:  # a script has no such hooks
            self.troubles[index] = f"{type(layer.module).__name__} takes no hooks ({type(error).__name__})"

    def _failed(self, layer, why):
        """What a hook around a layer's call raised: its latest record, made or to be made, says so."""
        index = self.layers.index(layer)
        latest = self.records[-1] if self.records and self.records[-1].layer == index else None
        if layer.entered:
            layer.entered[-1].note = why
        elif latest is not None and latest.run == self.runs - 1:
            latest.note = latest.note or why
        self.troubles[index] = why

    def _begin(self):
        # Validation inside the block is no training pass, and is not what `every` counts.
        training = torch.is_grad_enabled()
        self._off = self._every > 1 and (not training or self._kept.passes % self._every != 0)
        self._kept.passes += training
        self._backward_seen, self._ran = False, set()
        if self._off:
            return
        self.runs += 1
        for record in reversed(self.records):  # numbers only of what is long gone
            if record.run >= self.runs - 3:
                continue
            if record.weights is None:
                break
            record.weights = None
        # Handles of outputs that no longer exist; the live ones may still see their backward pass.
        self._handles = [handle for handle in self._handles if handle.hooks_dict_ref() is not None]
        for layer in self.layers:
            layer.entered.clear()

    def _enter_model(self, module, args):
        if not in_backward():
            self._begin()
            self._inside = True

    def _leave_model(self, module, args, output):
        self._inside = False
        if not in_backward() and not self._off:
            self._watch_output(output)

    def _enter(self, layer, module, args, kwargs):
        """Measure X before the layer runs, for it may change X in place."""
        if in_backward():
            return
        if not self._inside and (self._backward_seen or (self._off and layer.name in self._ran)):
            self._begin()  # a part of the model was called, not the model
        self._ran.add(layer.name)
        if self._off:
            return
        call = Call()
        layer.entered.append(call)
        call.inputs = found = inputs(layer.names, args, kwargs)
        if not found.signals:
            call.note = "no floating features came in"
            return
        X = next(iter(found.signals.values()))
        rows = nodes_first(X, module).shape[-2]
        out = nodes_first(found.target, module).shape[-2] if found.target is not None else rows
        call.sizes, call.version = (rows, out), version_of(X)
        if not rows:
            call.note = "no nodes came in"
            return
        call.sides = self._sides(layer, found, call.sizes, X.device)
        self._measure_inputs(layer, call)
        call.extra = extras.of_features(self._columns, nodes_first(X.detach(), module), found, module)

    def _measure_inputs(self, layer, call):
        for part, X in call.inputs.signals.items():
            weights = self._fitting(call.sides.source, X, layer)
            call.moments[part] = self._moments_of_input(layer, part, X, weights)

    def _leave(self, index, layer, module, args, kwargs, output):
        # A checkpoint runs the layer again during the backward pass: its record is there already.
        if in_backward():
            return self._recomputed(layer, output)
        if self._off:
            return None
        call = layer.entered.pop() if layer.entered else Call(note="it was entered before the block")
        signals = signals_of(output)
        self._watch_parameters(layer)
        self._recognise(layer, call)
        for part in dict.fromkeys([*signals, *([] if None in signals else call.moments)]) or [None]:
            record = self._record(index, layer, call, part)
            if part in signals:
                self._watch_error(layer, call, record, signals[part])
            elif not record.note:
                record.note = "no floating tensor came out"
        # Outside a call of the model the layers are called by hand, and the last one's output is the pass's.
        if not self._inside:
            self._watch_output(output)
        return None

    def _record(self, index, layer, call, part):
        """One record a call: what `_enter` measured of the features."""
        given = call.inputs.signals if call.inputs else {}
        key = part if part in given else next(iter(given), None)
        step = max(0, self._kept.passes - 1)
        record = Record(index, self.runs - 1, part, note=call.note, extra=dict(call.extra), step=step)
        self.records.append(record)
        if key in call.moments and (part is None or part in given):
            (record.feature, record.dead), record.same = call.moments[key]
            X, record.raw = given[key], not given[key].requires_grad
            record.nodes, record.epsilon = nodes_first(X, layer.module).shape[-2], torch.finfo(X.dtype).eps
        elif part is not None and not record.note:
            record.note = "no features of this node type came in"
        record.norm = call.sides.name if call.sides else ""
        record.components = getattr(call.sides.source, "components", 1) if call.sides else 1
        record.extra |= extras.of_parameters(self._columns, layer.module, self._kept.parameters, layer.name)
        return record

    def _watch_error(self, layer, call, record, signal):
        rows = nodes_first(signal, layer.module).shape[-2]
        sides = call.sides
        if not rows:
            return
        if sides is None:
            sides = self._sides(layer, call.inputs, (rows, rows), signal.device)
        elif rows != sides.target.num_nodes and isinstance(layer.norm, str):
            # A bipartite layer whose target side was not to be seen before it ran, or a node type of its own.
            found = call.inputs._replace(bipartite=True)
            sides = self._sides(layer, found, (call.sizes[0], rows), signal.device)
        record.weights = self._fitting(sides.target, signal, layer)
        # B = ∂𝓛/∂(output) comes by a hook on the tensor: a module's own hook fails where an in-place ReLU follows. A
        # checkpoint's first run has no gradient; its record waits for the second.
        record.waiting = not signal.requires_grad
        if signal.requires_grad:
            self._watch(signal, partial(self._arrived, layer, record), partial(_note, record))

    def _recognise(self, layer, call):
        """A layer of unknown kind showed what it propagates with: measure in the norm that this operator preserves."""
        found = call.inputs
        if layer.norm != GUESSED or call.sides is None or call.sides.name != GUESSED or found.bipartite:
            return
        slot = self._slot(layer, found, call.sizes)
        kept = self._kept.weights.get(slot)
        if kept is not None and kept[4]:
            return  # looked at before, in vain
        edges, weight, mean = call.propagated or (found.edges, found.edge_weight, False)
        sparse = call.propagated is None and getattr(edges, "layout", None) not in (torch.sparse_coo, torch.sparse_csr)
        flow = getattr(layer.module, "flow", "source_to_target")
        sides = None if edges is None or sparse else recognised(edges, weight, mean, call.sizes[0], flow)
        if kept is not None:
            self._kept.weights[slot] = (*kept[:3], sides or kept[3], True)
        X = next(iter(found.signals.values()))
        if sides is not None and call.version == version_of(X):
            call.sides = sides
            self._measure_inputs(layer, call)

    def _propagates(self, layer, module, args):
        """A layer's own call of `propagate`: the edges it uses, and the numbers it multiplies messages with."""
        if in_backward() or self._off or not layer.entered:
            return
        edges, _, given = args
        aggr = getattr(module, "aggr", None)
        if layer.entered[-1].propagated is not None or aggr not in ("add", "sum", "mean"):
            return
        count = edges.shape[1] if isinstance(edges, torch.Tensor) and edges.layout == torch.strided else None
        scalars = [
            v.detach().reshape(-1)
            for v in given.values()
            if isinstance(v, torch.Tensor) and v.is_floating_point() and v.numel() == count == len(v)
        ]
        layer.entered[-1].propagated = (edges, scalars[0] if scalars else None, aggr == "mean")

    def _recomputed(self, layer, output):
        """A checkpoint runs its layer twice; the errors pass through the second run."""
        signals = signals_of(output)
        for part, signal in signals.items():
            waiting = [r for r in self.records if r.waiting and self.layers[r.layer] is layer and r.part == part]
            if waiting and signal.requires_grad:
                record = waiting[-1]
                record.waiting = False
                self._watch(signal, partial(self._arrived, layer, record), partial(_note, record))

    def _watch(self, signal, arrived, failed=lambda why: None):
        """Hook the error of a signal, on the tensor itself: nothing is copied, so that nothing changes."""
        seen = []

        def at_signal(gradient):
            seen.append(True)
            arrived(gradient)

        def at_base(gradient):
            if not seen:
                laid = torch.empty_strided(base.size(), base.stride(), dtype=gradient.dtype, device=gradient.device)
                arrived(laid.copy_(gradient.detach()).as_strided(*place))

        base = signal._base if signal._is_view() else None
        self._handles.append(signal.register_hook(Hook(at_signal, failed)))
        if base is not None and base.requires_grad and not base.is_leaf:
            # An in-place operation on a view (inplace ReLU) cuts the view, and its hook, out of the graph, and not
            # what it is a view of.
            place = (signal.size(), signal.stride(), signal.storage_offset() - base.storage_offset())
            shape = base
            base = torch.empty_strided(base.size(), base.stride(), device="meta")
            self._handles.append(shape.register_hook(Hook(at_base, failed)))

    def _watch_output(self, output):
        entry = Output.of(
            output, lambda value: signal_moments(working(nodes_first(value)), "feature", None)[0].deviation
        )
        if entry is None:
            return
        entry.run = self.runs - 1
        # Validation passes are not kept, nor is the output of a part of the model when the next part's comes.
        self.outputs = [o for o in self.outputs if o.run != entry.run and (o.error is not None or o.differentiable)]
        for old in self.outputs[:-1]:
            old.forget()
        self.outputs.append(entry)
        for path, signal in entry.live(output):
            if signal.requires_grad:
                self._watch(signal, partial(self._output_arrived, entry, path))

    def _output_arrived(self, entry, path, gradient):
        entry.arrived(path, gradient)
        if not entry.trailed:
            self._kept.trail.append([updates_of(self._model), 0.0])
        entry.trailed = True
        self._kept.trail[-1][1] = entry.error
        for other in self.outputs:
            if other is not entry:
                other.forget()

    def _watch_parameters(self, layer):
        # After the first call: lazy parameters have their shape only then.
        if layer.parameters_hooked:
            return
        layer.parameters_hooked = True
        for index, parameter in enumerate(layer.module.parameters()):
            if parameter.requires_grad:
                hook = Hook(partial(self._parameter_arrived, layer, index), partial(self._failed, layer))
                self._handles.append(parameter.register_hook(hook))

    def _arrived(self, layer, record, gradient):
        self._backward_seen = True
        if record.weights is None:
            raise ValueError("the error has no node weights")
        with torch.no_grad():
            signal = working(nodes_first(gradient.detach(), layer.module))
            record.backward, _ = signal_moments(signal, "backward", record.weights)
        if layer.closed:
            layer.pending, layer.closed = [], False
        layer.pending.append(record)

    def _parameter_arrived(self, layer, index, gradient):
        if self._off:
            return
        # Comes once, after the errors of all calls; gradients accumulated before this backward pass are not in it.
        layer.closed = True
        with torch.no_grad():
            gradient = gradient.detach()
            norm = size_of(gradient.coalesce().values() if gradient.is_sparse else gradient)
        for record in layer.pending:
            record.gradients[index] = norm

    def _moments_of_input(self, layer, part, X, weights):
        """Those of X; once for an input that is the same in every pass."""
        with torch.no_grad():
            signal = working(nodes_first(X.detach(), layer.module))
            if X.requires_grad:
                found = signal_moments(signal, "feature", weights)
                return found, found[0].spread <= _ROUNDING * found[0].centre and is_same(signal)
            kept = self._kept.inputs.get((layer.name, part))
            if kept is None or kept[0]() is not X or kept[1] != version_of(X) or kept[2] is not weights:
                moments = signal_moments(signal, "feature", weights), is_same(signal)
                kept = (weakref.ref(X), version_of(X), weights, moments)
                self._kept.inputs[layer.name, part] = kept
            return kept[3]

    def _fitting(self, weights, signal, layer):
        """The weights, or uniform ones for a signal of other nodes; a norm that was given must fit."""
        rows = nodes_first(signal, layer.module).shape[-2]
        if weights is not None and weights.num_nodes == rows:
            return weights
        if not isinstance(layer.norm, str):
            raise ValueError(f"the norm given has {layer.norm.num_nodes} nodes, the signal {rows}")
        return node_weights("uniform", layer.module, None, None, (rows, rows), False, signal.device).source

    def _slot(self, layer, found, sizes):
        loops = (getattr(layer.module, "add_self_loops", None), getattr(layer.module, "improved", None))
        own = layer.name if layer.norm == GUESSED else None
        return (layer.norm, type(layer.module), loops, sizes, found.bipartite, id(found.edges), own)

    def _sides(self, layer, found, sizes, device):
        """The node weights of a call; layers that share graph and norm share them."""
        if not isinstance(layer.norm, str):
            return Sides("given", layer.norm, layer.norm)
        if found is None or found.edges is None or isinstance(found.edges, dict):
            return node_weights(layer.norm, layer.module, None, None, sizes, sizes[0] != sizes[1], device)
        slot, edges, weight = self._slot(layer, found, sizes), found.edges, found.edge_weight
        versions = (version_of(edges), version_of(weight))
        kept = self._kept.weights.get(slot)
        if kept is None or kept[0]() is not edges or kept[1]() is not weight or kept[2] != versions:
            sides = node_weights(layer.norm, layer.module, edges, weight, sizes, found.bipartite, device)
            kept = (reference(edges), reference(weight), versions, sides, False)
            if len(self._kept.weights) > 200:  # graphs of mini-batches that are gone
                self._kept.weights = {k: v for k, v in self._kept.weights.items() if v[0]() is not None}
            self._kept.weights[slot] = kept
        return kept[3]


def _watched(name, module, norm):
    given = norm.get(name, "auto") if isinstance(norm, dict) else norm
    return Watched(name, module, infer_norm(module) if given == "auto" else given, parameters_of(module))


def _note(record, why):
    record.note = record.note or why
