"""Activations: every constant against a dense grid, every derivative against autograd."""

import copy
import math
import pickle

import pytest
import torch
from cases import EXACT, WAVE

from oversmooth import ACTIVATIONS, Activation
from oversmooth.activations import find_activation

pytestmark = pytest.mark.usefixtures("random_state_untouched")
STEP = 2e-4
NAMES = list(ACTIVATIONS)
THEORY = {
    "identity": (1.0, 0.0),
    "tanh": (1.0, 4 / (3 * math.sqrt(3))),
    "elu": (1.0, 1.0),
    "arctan": (1.0, 3 * math.sqrt(3) / 8),
    "softsign": (1.0, 2.0),
    "relu": (1.0, math.inf),
    "leaky_relu": (1.0, math.inf),
    "gelu": (None, math.sqrt(2 / math.pi)),
    "silu": (None, 0.5),
}


def grid():
    """Dense around 0, then out to where every slope has reached its limit; 0 itself is on it."""
    near = torch.arange(-60_000, 60_001, dtype=torch.float64) * STEP
    far = torch.logspace(1, 7, 2000, dtype=torch.float64)
    return torch.cat([-far.flip(0), near, far])


def autograd_slope(activation, h):
    leaf = h.clone().requires_grad_()
    return torch.autograd.grad(activation.function(leaf).sum(), leaf)[0]


@pytest.mark.parametrize("name", NAMES)
def test_lipschitz_constant_and_range_of_the_slope(name):
    rho = ACTIVATIONS[name]
    slope = autograd_slope(rho, grid())
    low, high = rho.derivative_range
    assert low - 1e-15 <= slope.min() <= low + 1e-6
    assert high - 1e-6 <= slope.max() <= high + 1e-15
    assert rho.lipschitz >= slope.abs().max() - 1e-15
    assert rho.lipschitz == max(abs(low), abs(high))


@pytest.mark.parametrize("name", NAMES)
def test_beta_is_the_lipschitz_constant_of_the_slope(name):
    rho = ACTIVATIONS[name]
    h = torch.arange(-60_000, 60_001, dtype=torch.float64) * STEP
    steepest = (autograd_slope(rho, h).diff().abs() / STEP).max()
    if math.isinf(rho.beta):  # a jump: the difference quotient grows as the step shrinks
        assert steepest > 0.5 / STEP
    else:
        assert rho.beta * (1 - 1e-3) - 1e-12 <= steepest <= rho.beta * (1 + 1e-9) + 1e-10


@pytest.mark.parametrize("name", NAMES)
def test_constants_of_the_theory(name):
    lipschitz, beta = THEORY[name]
    assert ACTIVATIONS[name].beta == beta
    assert (ACTIVATIONS[name].lipschitz == 1) == (lipschitz == 1)
    assert ACTIVATIONS[name](torch.zeros(1)) == 0
    assert set(THEORY) == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("activation", [*ACTIVATIONS.values(), WAVE], ids=lambda activation: activation.name)
def test_slope_and_pullback_equal_autograd(activation, dtype):
    h = grid().to(dtype)
    gradient = torch.cos(torch.arange(len(h), dtype=dtype))
    slope, tolerance = autograd_slope(activation, h), EXACT if dtype == torch.float64 else 1e-5
    with torch.no_grad():  # as `trace` calls them
        own, pulled = activation.slope(h), activation.backward(h, activation(h), gradient)
    assert own.dtype == pulled.dtype == dtype
    torch.testing.assert_close(own, slope, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(pulled, slope * gradient, rtol=tolerance, atol=tolerance)
    assert not own.requires_grad and not pulled.requires_grad


@pytest.mark.parametrize("activation", [*ACTIVATIONS.values(), WAVE], ids=lambda activation: activation.name)
def test_homogeneity(activation):
    h = grid()[1000:-1000]
    scaled = all(torch.allclose(activation(c * h), c * activation(h), rtol=EXACT) for c in (0.3, 2.0, 17.0))
    assert activation.homogeneous == scaled


def test_names_and_objects_are_found():
    assert find_activation("tanh") is ACTIVATIONS["tanh"]
    assert find_activation(WAVE) is WAVE
    assert all(name == activation.name for name, activation in ACTIVATIONS.items())


@pytest.mark.parametrize("unknown", ["Tanh", "", None, torch.tanh])
def test_unknown_activations_list_the_known_ones(unknown):
    with pytest.raises(ValueError, match=r"known: identity, tanh, .*, or an oversmooth\.Activation"):
        find_activation(unknown)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies(copier):
    assert all(copier(activation) is activation for activation in ACTIVATIONS.values())
    own = Activation("square", torch.square, lipschitz=math.inf)
    assert copier(own) == own
