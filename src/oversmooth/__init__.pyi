# Written by scripts/stub.py.
from oversmooth._version import __version__ as __version__
from oversmooth.activations import ACTIVATIONS as ACTIVATIONS
from oversmooth.activations import Activation as Activation
from oversmooth.bounds import BackwardStep as BackwardStep
from oversmooth.bounds import Certificate as Certificate
from oversmooth.bounds import backward_step as backward_step
from oversmooth.bounds import certificate as certificate
from oversmooth.bounds import forward_bound as forward_bound
from oversmooth.bounds import loss_floor as loss_floor
from oversmooth.bounds import mean_transport as mean_transport
from oversmooth.bounds import weight_norms as weight_norms
from oversmooth.checkpointing import streamed_profile as streamed_profile
from oversmooth.counterexamples import Counterexample as Counterexample
from oversmooth.counterexamples import counterexample as counterexample
from oversmooth.drawing.theme import draw_floor as draw_floor
from oversmooth.drawing.theme import panels as panels
from oversmooth.drawing.theme import set_theme as set_theme
from oversmooth.graphs.datasets import available as available
from oversmooth.graphs.datasets import csbm as csbm
from oversmooth.graphs.datasets import digits as digits
from oversmooth.graphs.datasets import largest_component as largest_component
from oversmooth.graphs.datasets import load as load
from oversmooth.landscape import Curvature as Curvature
from oversmooth.landscape import curvature as curvature
from oversmooth.landscape import hessian_product as hessian_product
from oversmooth.landscape import loss_plane as loss_plane
from oversmooth.models.attention import backward_paths as backward_paths
from oversmooth.models.attention import sequence_rates as sequence_rates
from oversmooth.models.attention import sequence_weights as sequence_weights
from oversmooth.models.operators import OperatorNetwork as OperatorNetwork
from oversmooth.models.operators import OperatorSignals as OperatorSignals
from oversmooth.models.operators import trace_operator as trace_operator
from oversmooth.models.remedies import REMEDIES as REMEDIES
from oversmooth.models.remedies import DeepNetwork as DeepNetwork
from oversmooth.models.remedies import Remedy as Remedy
from oversmooth.network import Network as Network
from oversmooth.probe.diagnosis import Diagnosis as Diagnosis
from oversmooth.probe.history import ProbeHistory as ProbeHistory
from oversmooth.probe.logging import lightning_callback as lightning_callback
from oversmooth.probe.outlook import outlook as outlook
from oversmooth.probe.prescribe import prescribe as prescribe
from oversmooth.probe.probe import Probe as Probe
from oversmooth.proof.certify import Proof as Proof
from oversmooth.proof.certify import certify as certify
from oversmooth.proof.escape import Escape as Escape
from oversmooth.proof.escape import escape_distance as escape_distance
from oversmooth.proof.escape import escape_time as escape_time
from oversmooth.proof.exact import ExactCounterexample as ExactCounterexample
from oversmooth.proof.exact import exact_counterexample as exact_counterexample
from oversmooth.propagation.deflation import deflate as deflate
from oversmooth.propagation.kinds import KINDS as KINDS
from oversmooth.propagation.matrix import Propagation as Propagation
from oversmooth.propagation.modes import spectral_deviation as spectral_deviation
from oversmooth.signals import Signals as Signals
from oversmooth.signals import Steps as Steps
from oversmooth.signals import trace as trace
from oversmooth.smoothness import backward_deviation as backward_deviation
from oversmooth.smoothness import backward_mean as backward_mean
from oversmooth.smoothness import deviation as deviation
from oversmooth.smoothness import dirichlet_energy as dirichlet_energy
from oversmooth.smoothness import effective_rank as effective_rank
from oversmooth.smoothness import energy as energy
from oversmooth.smoothness import layer_profile as layer_profile
from oversmooth.smoothness import mean as mean
from oversmooth.smoothness import mean_average_distance as mean_average_distance
from oversmooth.smoothness import relative_deviation as relative_deviation
from oversmooth.stationary import train_last_layer as train_last_layer
from oversmooth.sweeps.sweep import SweepError as SweepError
from oversmooth.sweeps.sweep import sweep as sweep
from oversmooth.training import History as History
from oversmooth.training import fit as fit

__all__ = [
    "ACTIVATIONS",
    "KINDS",
    "REMEDIES",
    "Activation",
    "BackwardStep",
    "Certificate",
    "Counterexample",
    "Curvature",
    "DeepNetwork",
    "Diagnosis",
    "Escape",
    "ExactCounterexample",
    "History",
    "Network",
    "OperatorNetwork",
    "OperatorSignals",
    "Probe",
    "ProbeHistory",
    "Proof",
    "Propagation",
    "Remedy",
    "Signals",
    "Steps",
    "SweepError",
    "available",
    "backward_deviation",
    "backward_mean",
    "backward_paths",
    "backward_step",
    "certificate",
    "certify",
    "counterexample",
    "csbm",
    "curvature",
    "deflate",
    "deviation",
    "digits",
    "dirichlet_energy",
    "draw_floor",
    "effective_rank",
    "energy",
    "escape_distance",
    "escape_time",
    "exact_counterexample",
    "fit",
    "forward_bound",
    "hessian_product",
    "largest_component",
    "layer_profile",
    "lightning_callback",
    "load",
    "loss_floor",
    "loss_plane",
    "mean",
    "mean_average_distance",
    "mean_transport",
    "outlook",
    "panels",
    "prescribe",
    "relative_deviation",
    "sequence_rates",
    "sequence_weights",
    "set_theme",
    "spectral_deviation",
    "streamed_profile",
    "sweep",
    "trace",
    "trace_operator",
    "train_last_layer",
    "weight_norms",
]
