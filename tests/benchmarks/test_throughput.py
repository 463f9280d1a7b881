"""The arithmetic of the throughput benchmark, by hand-computed cases, and its workers as real processes."""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic

WORKER = """
import os, subprocess, sys
sys.path.insert(0, {peers!r})
from serving import answer, claim_stdout, serve
out = claim_stdout()
print("chatter of a library")

def measure(seconds):
    with open({log!r}, "a") as log:
        log.write(sys.argv[1] + " ")
    if sys.argv[1] == "hanging":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], stdout=out).wait()
    if sys.argv[1] == "broken":
        raise RuntimeError("no more of this")
    return answer({{"env_steps": 100 * seconds}}, 2.0, {{"cores": len(os.sched_getaffinity(0))}})

serve(out, measure, threads=os.environ["OMP_NUM_THREADS"])
"""


@pytest.fixture
def load(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def worker(root: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A worker's script, and the file in which workers note that they were asked."""
    script, log = tmp_path / "worker.py", tmp_path / "log"
    script.write_text(WORKER.format(peers=str(root / "benchmarks" / "peers"), log=str(log)))
    return script, log


def contestants(load: Any, script: Path, *names: str) -> list[Any]:
    crew, python = load("throughput_crew"), sys.executable
    core = min(os.sched_getaffinity(0))
    return [crew.Contestant(name, name, [(python, str(script), name)] * 2, [(core,)] * 2, threads=3) for name in names]


def section(load: Any, rates: dict[str, list[float]], groups: dict[str, str], **about: str) -> Any:
    crew, tables = load("throughput_crew"), load("throughput_tables")
    sides = {name: crew.Contestant(name, groups[name], [], []) for name in rates}
    samples = {name: [crew.Sample({"rows": value}, {}) for value in values] for name, values in rates.items()}
    return tables.Section(
        about.get("part", "learning"), about.get("subject", "8192"), "rows", crew.Results(sides, samples)
    )


def test_median_spread_and_ratios_are_those_worked_out_by_hand(load: Any) -> None:
    found = load("throughput_statistics")
    assert found.Spread.of([3.0, 1.0, 2.0]) == found.Spread(2.0, 1.0, 3.0)
    assert found.ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="shorter"):
        found.ratios([1.0, 2.0], [1.0])
    assert found.best({"a": [1.0, 5.0, 1.0], "b": [2.0, 2.0, 2.0], "c": [2.0, 2.0, 2.0]}) == "b"
    groups = {"a": "one", "b": "one", "c": "two"}
    assert found.best_by_group({"a": [1.0], "b": [2.0], "c": [0.5]}, groups) == {"one": "b", "two": "c"}


def test_rates_of_processes_add_up_each_by_its_own_clock(load: Any) -> None:
    found = load("throughput_statistics")
    answers = [
        {"seconds": 2.0, "counts": {"rows": 10}, "means": {"action": 0.2}},
        {"seconds": 3.0, "counts": {"rows": 30}, "means": {"action": 0.4}},
    ]
    assert found.summed(answers, "rows") == 15.0
    assert found.averaged(answers, "action") == pytest.approx(0.3)


def test_contestants_work_in_turn_on_their_cores_with_their_threads(
    load: Any, worker: tuple[Path, Path], tmp_path: Path
) -> None:
    script, log = worker
    said: list[str] = []
    found = load("throughput_crew").in_turn(contestants(load, script, "a", "b"), 2, 0.5, tmp_path, said.append, "test")
    assert log.read_text().split() == ["a", "a", "b", "b", "a", "a", "b", "b"]
    assert found.rates("env_steps") == {"a": [50.0, 50.0], "b": [50.0, 50.0]}
    assert found.samples["a"][0].means == {"cores": 1.0}
    assert found.about == {"a": {"threads": "3"}, "b": {"threads": "3"}}
    assert "test: round 2 of 2: b: 50 env steps/s" in said


def test_a_contestant_that_fails_is_left_out_with_its_reason_and_the_others_go_on(
    load: Any, worker: tuple[Path, Path], tmp_path: Path
) -> None:
    script, _ = worker
    asked = [*contestants(load, script, "a", "broken"), *contestants(load, tmp_path / "missing.py", "gone")]
    found = load("throughput_crew").in_turn(asked, 2, 0.1, tmp_path, lambda _: None, "test")
    assert list(found.samples) == ["a"]
    assert len(found.samples["a"]) == 2
    assert "RuntimeError: no more of this" in found.left_out["broken"]
    assert "gone ended with code 2" in found.left_out["gone"]


def test_a_contestant_that_hangs_is_ended_with_what_it_has_started(
    load: Any, worker: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = load("throughput_crew")
    monkeypatch.setattr(crew, "ANSWER_LIMIT_S", 0.5)
    begin = time.monotonic()
    found = crew.in_turn(contestants(load, worker[0], "hanging"), 1, 0.1, tmp_path, lambda _: None, "test")
    assert "hanging ended with code -9" in found.left_out["hanging"]
    assert time.monotonic() - begin < 50


def test_ours_is_compared_with_the_best_of_each_side_round_by_round(load: Any) -> None:
    rates = {"fast": [8.0, 9.0], "slow": [1.0, 1.0], "x": [4.0, 3.0], "y": [3.0, 3.0], "top": [10.0, 12.0]}
    groups = {"fast": "spreeze", "slow": "spreeze", "x": "peer", "y": "peer", "top": "limit"}
    found = section(load, rates, groups)
    assert found.best == {"spreeze": "fast", "peer": "x", "limit": "top"}
    assert found.over("peer") == [2.0, 3.0]
    assert found.over("limit") == [0.8, 0.75]
    assert found.over("nobody") == []
    assert found.data()["ours_over"] == {"peer": [2.0, 3.0], "limit": [0.8, 0.75]}
    assert json.loads(json.dumps(found.data()))["best"]["peer"] == "x"
    assert found.table().row_count == 5


def test_a_bar_is_met_from_its_number_on_and_silent_about_what_was_not_measured(load: Any) -> None:
    tables = load("throughput_tables")
    groups = {"ours": "spreeze", "sb3": "Stable-Baselines3"}
    found = section(load, {"ours": [250_000.0], "sb3": [100_000.0]}, groups)
    rows = {row["what"]: row for bar in tables.BARS for row in bar.rows([found])}
    assert (rows["rows/s"]["measured"], rows["rows/s"]["met"]) == (250_000.0, True)
    assert (rows["over Stable-Baselines3"]["measured"], rows["over Stable-Baselines3"]["met"]) == (2.5, False)
    assert set(rows) == {"rows/s", "over Stable-Baselines3"}
    assert tables.bar_table(rows.values()).row_count == 2


def test_sides_whose_actions_differ_in_size_are_not_compared(load: Any) -> None:
    crew, tables = load("throughput_crew"), load("throughput_tables")
    samples = {name: [crew.Sample({}, {"action": size})] for name, size in (("a", 0.30), ("b", 0.32))}
    samples["limit"] = [crew.Sample({}, {})]
    tables.check_alike(crew.Results({}, samples))
    samples["c"] = [crew.Sample({}, {"action": 0.40})]
    with pytest.raises(crew.BenchmarkError, match="do not act alike"):
        tables.check_alike(crew.Results({}, samples))


def test_products_of_a_small_network_are_counted_by_hand(load: Any) -> None:
    work = load("throughput_work")
    network = work.Network((3, 5, 2), batch=7)
    counted = [sum(p.flops for p in found) for found in (network.forward(), network.weights(), network.inputs())]
    assert counted == [2 * 7 * (15 + 10), 2 * 7 * (15 + 10), 2 * 7 * 10]
    assert sum(p.flops for p in network.inputs(first=1)) == 2 * 7 * (10 + 5)
    # target 6 + 12, critics 12 + 12 + 4, actor 6 + 12 + 8 + 6 + 4
    assert work.flops_per_row(1, 1, 1, (1,)) == 82


def test_products_of_an_update_are_those_that_torch_counts(load: Any) -> None:
    batch, observations, actions, hidden = 8, 17, 6, (256, 256)
    generator = torch.Generator().manual_seed(0)
    actor, critic = SquashedGaussianActor(observations, actions, hidden), TwinCritic(observations, actions, hidden)
    state, chosen = torch.ones(batch, observations), torch.ones(batch, actions)
    with FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            critic(state, actor.sample(state, generator)[0])
        critic(state, chosen).sum().backward()
        critic(state, actor.sample(state, generator)[0], frozen=True).sum().backward()
    counted = load("throughput_work").flops_per_row(batch, observations, actions, hidden) * batch
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.02)
    assert 2.2e6 < counted / batch < 2.4e6


def test_rates_of_a_run_are_those_between_two_looks_at_its_counters(load: Any) -> None:
    run = load("throughput_run")
    found = run.between(run.Moment(2.0, 100, 1000), run.Moment(6.0, 500, 9000), {"policy_lag": 0.5})
    assert found == {"seconds": 4.0, "counts": {"env_steps": 400, "rows": 8000}, "means": {"policy_lag": 0.5}}


def test_a_run_that_ends_by_itself_is_no_measurement(load: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="ended with code 2"):
        load("throughput_run").measured(["--algo", "nothing"], 1.0)
    assert "no algorithm 'nothing'" in capfd.readouterr().err


def test_the_policy_of_the_peers_is_ours_with_the_same_weights(load: Any) -> None:
    reference, sampler = load("peers.reference"), load("throughput_sampler")
    weights = reference.make_weights(11, 3, seed=0)
    assert all(np.array_equal(weights[name], other) for name, other in reference.make_weights(11, 3, seed=0).items())
    actor = SquashedGaussianActor(11, 3, (256, 256))
    actor.load_state_dict(sampler.actor_tensors(weights))
    observation = np.random.default_rng(0).standard_normal((5, 11))
    mean, log_std = actor(torch.from_numpy(observation).float())
    assert torch.allclose(log_std, torch.full_like(log_std, float(weights["log_std"][0])), atol=1e-5)
    still = reference.Policy(weights | {"log_std": np.array([-40.0])}, 8, seed=1)
    assert np.allclose(still.act(observation), torch.tanh(mean).detach().numpy(), atol=1e-6)


def test_what_is_not_finite_is_found_and_sizes_are_averaged(load: Any) -> None:
    watch = load("peers.reference").Watch()
    watch.see(np.zeros((2, 3)), np.array([[0.5, -0.5], [1.0, 0.0]]), np.array([1.0, 3.0]))
    assert watch.means() == {"action": 0.5, "saturated": 0.25, "reward": 2.0}
    with pytest.raises(FloatingPointError, match="action"):
        watch.see(np.zeros((1, 3)), np.array([[np.nan]]), np.zeros(1))


@pytest.mark.parametrize("backend", ["rollout", "mjbatch"])
def test_a_replay_of_physics_ends_where_the_recording_did(load: Any, backend: str) -> None:
    physics, reference = load("throughput_physics"), load("peers.reference")
    segments = physics.record("Hopper-v5", reference.make_weights(11, 3, 0), seed=0, segments=6)
    replay = physics.Replay(backend, "Hopper-v5", segments, threads=1, share=4)
    assert [replay.step(), replay.step()] == [4 * physics.SEGMENT, 2 * physics.SEGMENT]
    physics.check(replay.final, segments["final"][4:])
    with pytest.raises(FloatingPointError, match="away from the recording"):
        physics.check(replay.final + 1e-6, segments["final"][4:])


def test_our_learner_counts_the_rows_it_draws_from_a_full_ring(load: Any) -> None:
    learner = load("throughput_learner").Learner(64, 6400, {"hidden": [16, 16]}, seed=0)
    assert int(learner.memory.words[0, 1]) == 100
    assert learner.update() % 64 == 0
    assert learner.updates.update * 64 == learner.rows * learner.updates.update
    learner.check()
    with torch.no_grad():
        next(iter(learner.parts["actor"].owns["actor"].parameters())).fill_(torch.nan)
    with pytest.raises(FloatingPointError):
        learner.check()


def test_a_learner_whose_stores_lie_on_its_device_makes_the_updates_of_a_call(load: Any) -> None:
    throughput = load("throughput_learner")
    place = throughput.Place("cpu", updates_per_call=3, stores_on_device=True)
    learner = throughput.Learner(64, 6400, {"hidden": [16, 16]}, seed=0, place=place)
    assert learner.update() == 3 * 64
    assert set(learner.measure(0.01)["means"]) == {"entropy"}


def test_products_are_all_multiplied(load: Any) -> None:
    learner, work = load("throughput_learner"), load("throughput_work")
    products = learner.Products(32, torch.float32)
    with FlopCounterMode(display=False) as counter:
        assert products.update() == 32
    assert counter.get_total_flops() == 32 * work.flops_per_row(32, 17, 6, (256, 256))


def test_an_unknown_part_or_peer_is_refused(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    throughput: ModuleType = load("throughput")
    for words in (["dancing"], ["sampling", "--peers", "nobody"]):
        with pytest.raises(SystemExit):
            throughput.parse(words)
        assert f"'{words[-1]}' is none of" in capsys.readouterr().err
    assert throughput.parse(["--quick"]).rounds == 3
    assert throughput.parse(["--quick", "--rounds", "1"]).rounds == 1
    assert throughput.parse([]).seconds == 2.0
