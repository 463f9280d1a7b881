"""The C library: when it is used, where it is kept, and its passes against plain products."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from spreeze.algorithms import _native
from spreeze.algorithms._native.passes import fits
from spreeze.algorithms._passes import Weights, weights_of
from spreeze.compiling import DISABLE

useful = pytest.mark.skipif(bool(_native.why_not()), reason=_native.why_not() or "-")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of its own, and nothing loaded yet."""
    monkeypatch.setenv("SPREEZE_CACHE", str(tmp_path / "cache"))
    _native.library.cache_clear()
    yield tmp_path / "cache"
    _native.library.cache_clear()


def layers(*widths: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    pairs = pairwise(widths)
    return [(torch.randn(i, o, generator=draw) / i**0.5, torch.randn(o, generator=draw)) for i, o in pairs]


@useful
def test_the_library_is_compiled_once_and_kept_for_its_user_alone(empty_cache: Path) -> None:
    assert _native.library() is not None
    [file] = (empty_cache / "native").iterdir()
    assert not file.stat().st_mode & 0o077
    assert not file.parent.stat().st_mode & 0o077
    before = file.stat().st_mtime_ns
    _native.library.cache_clear()
    assert _native.library() is not None
    assert file.stat().st_mtime_ns == before


@useful
def test_a_library_that_others_could_have_written_is_not_loaded_but_made_anew(empty_cache: Path) -> None:
    _native.library()
    [file] = (empty_cache / "native").iterdir()
    file.chmod(0o722)
    before = file.stat().st_mtime_ns
    _native.library.cache_clear()
    assert _native.library() is not None
    assert file.stat().st_mtime_ns > before
    assert not file.stat().st_mode & 0o022


def test_without_a_compiler_products_are_pytorchs(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert _native.why_not()
    assert _native.library() is None
    assert isinstance(weights_of(layers(5, 64, 64, 2), torch.bfloat16), Weights)


@useful
def test_a_compiler_that_fails_is_no_reason_to_fail(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin" / "cc"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent))
    assert _native.library() is None


def test_the_environment_can_forbid_it(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DISABLE, "1")
    assert _native.library() is None
    assert not empty_cache.exists()


@useful
@pytest.mark.parametrize(
    ("widths", "dtype", "expected"),
    [
        ((5, 64, 64, 2), torch.bfloat16, True),
        ((5, 64, 128, 64, 1), torch.bfloat16, True),
        ((5, 64, 64, 2), torch.float32, False),
        ((5, 64, 2), torch.bfloat16, False),
        ((5, 64, 100, 2), torch.bfloat16, False),
    ],
)
def test_it_serves_bfloat16_with_two_hidden_layers_of_64s_or_more(
    widths: tuple[int, ...], dtype: torch.dtype, expected: bool
) -> None:
    assert fits(layers(*widths), dtype) is expected


@useful
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 64, 65])
@pytest.mark.parametrize("widths", [(5, 64, 64, 1), (23, 256, 256, 12), (3, 128, 64, 192, 7)])
def test_a_pass_in_c_is_the_pass_of_pytorch(widths: tuple[int, ...], rows: int, transposed: bool) -> None:
    exact = layers(*widths)
    if transposed:  # As a module of PyTorch keeps them.
        exact = [(weight.t().contiguous().t(), bias) for weight, bias in exact]
    draw = torch.Generator().manual_seed(1)
    inputs, slope = torch.randn(rows, widths[0], generator=draw), torch.randn(rows, widths[-1], generator=draw)
    found = [one_pass(weights_of(exact, torch.bfloat16), exact, inputs, slope)]
    found.append(one_pass(Weights(exact, torch.bfloat16), exact, inputs, slope))
    for native, plain in zip(*found, strict=True):
        assert (native - plain).norm() <= 0.05 * plain.norm() + 1e-6


def one_pass(weights: object, exact: list[tuple[Tensor, Tensor]], inputs: Tensor, slope: Tensor) -> list[Tensor]:
    """Outputs and gradients of all layers, each the sum over two equal blocks."""
    gradients = [(torch.full_like(weight, 9.0), torch.full_like(bias, 9.0)) for weight, bias in exact]
    one = weights.new_pass(weights.buffers(len(inputs)), gradients)  # type: ignore[attr-defined]
    outputs = one.forward(inputs)
    one.backward(slope, add=False)
    one.backward(slope, add=True)
    one.finish()
    return [outputs, *(tensor for pair in gradients for tensor in pair)]


@useful
def test_nan_is_not_hidden_by_relu() -> None:
    exact = layers(5, 64, 64, 1)
    exact[1][0][3, 7] = torch.nan
    weights = weights_of(exact, torch.bfloat16)
    assert not torch.isfinite(weights.new_pass(weights.buffers(4)).forward(torch.ones(4, 5))).any()
