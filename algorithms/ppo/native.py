"""Minibatches of PPO in C: `algorithms/_native/ppo.c`, compiled on first use for the processor that it runs on.

For Gaussian policies without memory on the CPU: there, most of the time of a minibatch goes into starting small
operations. Everything else, and machines without a C compiler, take autograd.
"""

import ctypes
import os
import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from spreeze.algorithms._distributions import GaussianHead
from spreeze.algorithms._native import FOLDER
from spreeze.algorithms.ppo.config import PPOConfig
from spreeze.algorithms.ppo.networks import Actor, Critic
from spreeze.compiling import DISABLE, compiled, compiler

DEEPEST, BLOCK, LANES = 8, 256, 16
TOLD = ("loss/actor", "loss/critic", "policy/entropy", "policy/divergence", "policy/clipped")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-lm")


class _Adam(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("value", "mean", "square"))


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("inputs", "outputs", "in_row", "out_row")),
        *((name, _Adam) for name in ("weight", "bias")),
        *((name, ctypes.c_void_p) for name in ("ahead", "back", "weight_slope", "bias_slope", "output", "slope")),
    )


class _Net(ctypes.Structure):
    _fields_ = (("layers", ctypes.c_int64), ("layer", _Layer * DEEPEST))


class _Update(ctypes.Structure):
    _fields_ = (
        *((name, _Net) for name in ("policy", "value")),
        ("log_std", _Adam),
        *((name, ctypes.c_int64) for name in ("observations", "actions", "tanh")),
        *((name, ctypes.c_float) for name in ("clip", "value_weight", "entropy_weight", "most_norm")),
        *((name, ctypes.c_float) for name in ("rate", "beta1", "beta2", "epsilon")),
        *((name, ctypes.c_void_p) for name in ("given", "choice", "log_probability", "advantage", "target", "inputs")),
    )


@cache
def library() -> ctypes.CDLL | None:
    """The compiled library; None where it cannot be made."""
    if os.environ.get(DISABLE) or compiler() is None or platform.machine() != "x86_64":
        return None
    with suppress(OSError, subprocess.SubprocessError):
        return ctypes.CDLL(str(compiled([FOLDER / "ppo.c"], FLAGS, _processor())))
    return None


def _processor() -> str:
    """What this processor can do: a cache may be shared with other machines."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith("flags")), "")


def fits(actor: Actor, critic: Critic, config: PPOConfig) -> bool:
    """Whether minibatches of these networks can be learnt from here."""
    plain = isinstance(actor.head, GaussianHead) and not config.memory and len(config.hidden) < DEEPEST
    local = all(parameter.device.type == "cpu" for net in (actor, critic) for parameter in net.parameters())
    return plain and local and library() is not None


class NativeMinibatches:
    """Steps of `optimizer`, an Adam of both networks, whose state they share. Parameters stay where they are."""

    def __init__(self, actor: Actor, critic: Critic, optimizer: torch.optim.Adam, config: PPOConfig) -> None:
        found = library()
        assert found is not None and isinstance(actor.head, GaussianHead), "`fits` was asked"
        self.library, self.optimizer, self.log_std = found, optimizer, actor.head.log_std
        self.buffers: list[Tensor] = []
        for parameter in (*actor.parameters(), *critic.parameters()):
            self._begin(parameter)
        group, inputs = optimizer.param_groups[0], actor.linears()[0].in_features
        self.update = _Update(
            observations=inputs,
            actions=actor.head.linear.out_features,
            tanh=config.activation == "tanh",
            clip=config.clip,
            value_weight=config.value_weight,
            entropy_weight=config.entropy_weight,
            most_norm=config.max_gradient_norm,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            epsilon=group["eps"],
            inputs=self._room(BLOCK, padded(inputs)),
        )
        self.nets = (self.update.policy, actor.linears()), (self.update.value, critic.linears())
        for net, linears in self.nets:
            net.layers = len(linears)
            for layer, linear in zip(net.layer, linears, strict=False):
                self._shape(layer, linear)

    def begin(self, rows: Sequence[Tensor]) -> None:
        """Take what to learn from: what is given (R, O), choices (R, A), log-probabilities, advantages and targets."""
        self.rows = [tensor.contiguous() for tensor in rows]
        update, places = self.update, [tensor.data_ptr() for tensor in self.rows]
        update.given, update.choice, update.log_probability, update.advantage, update.target = places
        update.rate = self.optimizer.param_groups[0]["lr"]
        for net, linears in self.nets:
            for layer, linear in zip(net.layer, linears, strict=False):
                layer.weight, layer.bias = self._adam(linear.weight), self._adam(linear.bias)
        update.log_std = self._adam(self.log_std)

    def learn(self, rows: Tensor) -> Tensor:
        """One step with rows (B,) int64; what is told of them, as `TOLD` names it."""
        steps = [state["step"] for state in self.optimizer.state.values()]
        torch._foreach_add_(steps, 1)
        told = torch.empty(len(TOLD))
        count, step = ctypes.c_int64(len(rows)), ctypes.c_double(float(steps[0]))
        self.library.minibatch(ctypes.byref(self.update), _pointer(rows), count, step, _pointer(told))
        return told

    def _begin(self, parameter: nn.Parameter) -> None:
        """The state that torch gives a parameter before its first step."""
        moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        self.optimizer.state[parameter] = {"step": torch.zeros(()), **moments}

    def _adam(self, parameter: Tensor) -> _Adam:
        state = self.optimizer.state[parameter]
        return _Adam(*(tensor.data_ptr() for tensor in (parameter, state["exp_avg"], state["exp_avg_sq"])))

    def _shape(self, layer: _Layer, linear: nn.Linear) -> None:
        inputs, outputs = linear.in_features, linear.out_features
        layer.inputs, layer.outputs, layer.in_row, layer.out_row = inputs, outputs, padded(inputs), padded(outputs)
        layer.ahead, layer.bias_slope = self._room(inputs, layer.out_row), self._room(layer.out_row)
        layer.back, layer.weight_slope = (self._room(outputs, layer.in_row) for _ in range(2))
        layer.output, layer.slope = (self._room(BLOCK, layer.out_row) for _ in range(2))

    def _room(self, *shape: int) -> int:
        """Zeros that live as long as this object; their address."""
        self.buffers.append(torch.zeros(shape))
        return self.buffers[-1].data_ptr()


def padded(width: int) -> int:
    """`width`, rounded up to whole vectors."""
    return -(-width // LANES) * LANES


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
