"""What the probe remembers: of a call of a layer, of a layer between its hooks, and from pass to pass."""

import math
from dataclasses import dataclass, field

import torch

from oversmooth.moments import Moments
from oversmooth.probe.calls import Inputs
from oversmooth.probe.norms import Sides
from oversmooth.propagation.averaging import Weighting


@dataclass
class Record:
    """One call of one layer (for one node type): σ² and ‖μ‖² of what came in and of the error back, as floats.

    Tensors, however small, would hold on to the memory between which they lie: gigabytes in a thousand passes.

    Attributes:
        layer: index of the layer among those watched.
        run: which pass through the model, from 0.
        part: the node type, or None.
        nodes: rows of the features that came in.
        norm: name of the norm.
        components: connected components of the graph.
        weights: node weights of the output, for the error.
        feature: the `Moments` of X, or None.
        epsilon: machine epsilon of the features' dtype.
        backward: the `Moments` of B, or None.
        gradients: index of a parameter -> norm of its gradient.
        extra: name of a column of `extras` -> its number.
        note: why something was not measured, or "".
        same: the features that came in are the same at every node.
        dead: share of their units that are 0 at every node.
        raw: they are input, and no layer's output.
        step: training passes before this one, measured or not.
        waiting: ran without gradients, as a checkpoint does before it runs again during the backward pass.
    """

    layer: int
    run: int
    part: str | None = None
    nodes: int = 0
    norm: str = ""
    components: int = 1
    weights: Weighting | None = None
    feature: Moments | None = None
    epsilon: float = 0.0
    backward: Moments | None = None
    gradients: dict = field(default_factory=dict)
    extra: dict = field(default_factory=dict)
    note: str = ""
    same: bool = False
    dead: float = math.nan
    raw: bool = False
    step: int = 0
    waiting: bool = False

    def is_finite(self):
        """Whether all that was measured is finite; an empty graph has nothing to measure."""
        values = (*(self.feature or ()), *(self.backward or ()), *self.gradients.values())
        return not self.nodes or all(map(math.isfinite, values))


@dataclass
class Call:
    """What was learned of a call before its layer ran; the input is held while the layer runs."""

    inputs: Inputs | None = None
    sides: Sides | None = None
    sizes: tuple = (0, 0)
    moments: dict = field(default_factory=dict)
    version: int | None = None
    extra: dict = field(default_factory=dict)
    propagated: tuple | None = None
    note: str = ""


@dataclass(eq=False)
class Watched:
    """A layer and what must be remembered between its hooks."""

    name: str
    module: torch.nn.Module
    norm: str | Weighting
    names: tuple
    entered: list = field(default_factory=list)
    pending: list = field(default_factory=list)  # records whose error came, and whose parameters' gradients did not yet
    closed: bool = False
    parameters_hooked: bool = False


@dataclass
class Kept:
    """What stays the same from pass to pass, so that it is measured once; refers weakly to the user's tensors.

    Attributes:
        inputs: name of a layer -> what it received, its version, the weights, the moments.
        weights: norm and kind of layer and graph -> the graph, its versions, the weights.
        parameters: name of a layer -> copies of its parameters at the last pass, where the update ratio is asked for.
        trail: (updates so far, error at the output) of each differentiated pass, over all blocks.
        passes: training passes that went by, measured or not.
    """

    inputs: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)
    trail: list = field(default_factory=list)
    passes: int = 0

    def __getstate__(self):
        return {"inputs": {}, "weights": {}, "parameters": {}, "trail": self.trail, "passes": self.passes}
