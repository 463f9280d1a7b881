"""The same on a GPU: rings, calls as CUDA graphs, whole runs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spreeze.graphs import MAX_AHEAD, WARM_CALLS, Ahead, CudaRecorder, Graphed
from spreeze.transport.mirror import Mirror
from tests.contract.playing import play, tensors
from tests.spreeze.regression import Experience, Regression
from tests.spreeze.test_device_updates import Learning, Reading
from tests.spreeze.test_updates_per_call import COUNTED, LINE

pytestmark = pytest.mark.gpu
CALLS = [4] * (WARM_CALLS + 20)


def cuda() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device())


def assert_near(one: Regression, other: Regression) -> None:
    """Equal up to the order in which a product is summed; the generators exactly."""
    left, right = one.state(), other.state()
    for name, tensor in left.items():
        torch.testing.assert_close(tensor, right[name], rtol=1e-4, atol=1e-6)
    assert torch.equal(left["generator"], right["generator"])


def test_captured_calls_equal_eager_ones_while_the_store_grows_and_wraps() -> None:
    device = cuda()
    one = Learning(CudaRecorder(device), Regression(device), device=device).learn(*CALLS, 3, *CALLS)
    other = Learning(None, Regression(device), device=device).learn(*CALLS, 3, *CALLS)
    assert one.said == []
    assert_near(one.part, other.part)
    assert one.means.report() == pytest.approx(other.means.report(), rel=1e-4)


def test_a_part_that_waits_for_the_device_is_updated_eagerly_and_that_is_said_once() -> None:
    device = cuda()
    one = Learning(CudaRecorder(device), Reading(device), device=device).learn(*CALLS)
    other = Learning(None, Reading(device), device=device).learn(*CALLS)
    assert len(one.said) == 1 and "CUDA graph" in one.said[0]
    assert_near(one.part, other.part)


def test_a_capture_computes_nothing() -> None:
    device = cuda()
    total = torch.zeros(1, device=device)
    call = Graphed(lambda: total.add_(1), list, CudaRecorder(device), print)
    for count in range(1, WARM_CALLS + 5):
        call("here")
        assert float(total) == count


def test_a_ring_on_a_gpu_holds_what_one_on_a_cpu_holds_while_it_is_drawn_from() -> None:
    device, experience = cuda(), Experience()
    mirrors = [Mirror(experience.memory, place) for place in (device, torch.device("cpu"))]
    generator = torch.Generator(device).manual_seed(0)
    for _ in range(200):
        experience.write()
        assert len({mirror.sync() for mirror in mirrors}) == 1
        drawn = mirrors[0].store.draw(10_000, generator)
    rows = [held(mirror) for mirror in mirrors]
    assert all((rows[0][name] == rows[1][name]).all() for name in rows[1])
    known = {row.tobytes() for row in rows[1]["observation"]}
    assert {row.tobytes() for row in drawn["observation"].cpu().numpy()} == known


def held(mirror: Mirror) -> dict[str, np.ndarray]:
    slots = (int(mirror.store.first) + np.arange(int(mirror.store.size))) % mirror.store.slots
    return {name: column.cpu().numpy()[slots] for name, column in mirror.store.columns.items()}


def test_the_host_is_at_most_two_calls_ahead() -> None:
    device = cuda()
    ahead, matrix, done = Ahead(device), torch.rand(4000, 4000, device=device), list[torch.cuda.Event]()
    for _ in range(10):
        matrix = matrix @ matrix / 2000
        done.append(torch.cuda.current_stream(device).record_event())
        ahead.queued()
        assert all(event.query() for event in done[:-MAX_AHEAD])


@pytest.mark.parametrize("serial", [True, False], ids=["serial", "processes"])
def test_a_run_on_a_gpu_ends_like_one_on_a_cpu_that_draws_elsewhere(serial: bool, tmp_path: Path) -> None:
    play(tmp_path, COUNTED, LINE, {"updates": 2000}, serial=serial, devices="cuda", stores="device")
    found = tensors(tmp_path, "part-*")
    np.testing.assert_allclose(found["part-net/net/weight"], np.ones((1, 3)), atol=0.05)
    assert int(found["part-net/spreeze.update"]) == 2000
