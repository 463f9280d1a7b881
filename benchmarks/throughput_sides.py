"""Who takes part in throughput.py, with which settings, on which cores."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from campaign_process import CampaignError, peers_python
from throughput_crew import Contestant

HERE = Path(__file__).resolve().parent
OURS, LIMIT = "spreeze", "limit"
"""Groups that are no peers."""
VENVS = {
    "stable-baselines3": ("peers", "requirements.txt"),
    "sbx": ("sbx", "requirements-sbx.txt"),
    "envpool": ("envpool", "requirements-envpool.txt"),
    "torchrl": ("torchrl", "requirements-torchrl.txt"),
}
"""Of each peer that needs one: virtual environment (`.venv-NAME`), requirements (in `benchmarks/peers`)."""
PEERS = ("gymnasium", *VENVS)


@dataclass(frozen=True)
class Plan:
    """What is measured, and how."""

    cores: tuple[int, ...]
    environments: Sequence[str]
    batches: Sequence[int]
    streams: int
    """Environments of one of our samplers."""
    engine: str
    sac: Sequence[str]
    """Options of our SAC, NAME=VALUE."""
    run: str
    """Options of our runs."""
    threads: int
    """Of learners."""
    device: str
    """Of learners of torch."""
    updates_per_call: int
    ring_rows: int
    seed: int
    quick: bool
    """Fewer settings of each side."""
    pythons: Mapping[str, Path]
    """Interpreter of each peer that takes part."""


def interpreters(peers: Sequence[str], say: Callable[[str], None]) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the interpreter of each peer, installed where that is needed, and why others are left out."""
    pythons, left_out = dict[str, Path](), dict[str, str]()
    for peer in peers:
        try:
            pythons[peer] = peers_python(HERE.parent, *VENVS[peer]) if peer in VENVS else Path(sys.executable)
        except CampaignError as error:
            left_out[peer] = str(error)
            say(f"{peer} is left out: {error}")
    return pythons, left_out


def script(name: str, *words: object, python: Path | str = sys.executable) -> tuple[str, ...]:
    """A command that runs a file of this folder."""
    return (str(python), str(HERE / name), *map(str, words))


def on_each(plan: Plan, name: str, group: str, command: Callable[[int], Sequence[str]]) -> Contestant:
    """One process of one thread on each core; `command` is given its number."""
    commands = [command(index) for index in range(len(plan.cores))]
    return Contestant(name, group, commands, [(core,) for core in plan.cores])


def on_all(plan: Plan, name: str, group: str, command: Sequence[str], threads: int = 1) -> Contestant:
    """One process on all cores."""
    return Contestant(name, group, [command], [plan.cores], threads)


def sampling(plan: Plan, environment: str, weights: Path, segments: Path) -> list[Contestant]:
    """Everybody who samples one environment, and the physics alone."""
    common = ("--env", environment, "--weights", weights)
    own = ("throughput_sampler.py", *common, "--streams", plan.streams, "--engine", plan.engine)
    found = [on_each(plan, f"spreeze, {plan.streams} a core", OURS, lambda i: script(*own, "--seed", plan.seed + i))]
    if "envpool" in plan.pythons:
        found += envpool(plan, common)
    if "gymnasium" in plan.pythons:
        found += gymnasium(plan, common)
    if "stable-baselines3" in plan.pythons:
        words = ("peers/stable_baselines.py", "--part", "sampling", *common, "--count", 8, "--seed", plan.seed)
        command = script(*words, "--threads", 1, python=plan.pythons["stable-baselines3"])
        found.append(on_all(plan, "SB3, 8 in DummyVecEnv", "Stable-Baselines3", command))
    return found + list(physics(plan, environment, segments))


def envpool(plan: Plan, common: Sequence[object]) -> list[Contestant]:
    """EnvPool asynchronous and synchronous, as one pool on all cores or as one on each."""
    count, python = len(plan.cores), plan.pythons["envpool"]
    sizes = [(32, 16)] if plan.quick else [(32, 16), (64, 32), (32, 32), (64, 64)]

    def command(index: int, size: tuple[int, int], threads: int) -> Sequence[str]:
        words = ("--count", size[0], "--batch", size[1], "--pool-threads", threads, "--seed", plan.seed + index)
        return script("peers/envpool_vector.py", *common, *words, python=python)

    pools = [
        on_all(plan, f"EnvPool {'async' if a > b else 'sync'} {a}/{b}", "EnvPool", command(0, (a, b), count))
        for a, b in sizes
    ]
    return [*pools, on_each(plan, "EnvPool sync 32 a core", "EnvPool", lambda i: command(i, (32, 32), 1))]


def gymnasium(plan: Plan, common: Sequence[object]) -> list[Contestant]:
    """Gymnasium's vector environments: a process of `SyncVectorEnv` on each core, or `AsyncVectorEnv`."""

    def command(index: int, kind: str, count: int) -> Sequence[str]:
        words = ("--kind", kind, "--count", count, "--seed", plan.seed + index)
        return script("peers/gymnasium_vector.py", *common, *words, python=plan.pythons["gymnasium"])

    group = "Gymnasium"
    found = [on_each(plan, "Gymnasium sync 16 a core", group, lambda i: command(i, "sync", 16))]
    if not plan.quick:
        found.append(on_each(plan, "Gymnasium sync 64 a core", group, lambda i: command(i, "sync", 64)))
        found.append(on_all(plan, "Gymnasium async 16", group, command(0, "async", 16)))
    return found


def physics(plan: Plan, environment: str, segments: Path) -> Iterator[Contestant]:
    """The recorded segments, replayed by each backend on all cores."""
    for backend in ("rollout", "mjbatch"):
        words = ("throughput_physics.py", "--env", environment, "--segments", segments, "--backend", backend)
        pool = script(*words, "--pool-threads", len(plan.cores))
        yield on_all(plan, f"physics, {backend}, one pool", LIMIT, pool)
        yield on_each(plan, f"physics, {backend}, one a core", LIMIT, lambda _, words=words: script(*words))  # type: ignore[misc]


def learning(plan: Plan, batch: int) -> list[Contestant]:
    """Everybody who updates SAC from a full replay, and the matrix products alone."""
    common = ("--batch", batch, "--rows", plan.ring_rows, "--seed", plan.seed)
    options = [word for option in plan.sac for word in ("--sac", option)]
    found = []
    for threads in thread_counts(plan, batch):
        words = f"{threads} thread{'s' if threads > 1 else ''}"
        found += own_learners(plan, words, (*common, "--threads", threads, *options), threads)
        for library, peer, group in (("sb3", "stable-baselines3", "Stable-Baselines3"), ("sbx", "sbx", "SBX")):
            if peer in plan.pythons and (library == "sb3" or threads == plan.threads):
                device = ("--threads", threads, "--device", plan.device if library == "sb3" else "cpu")
                about = ("--library", library, "--part", "learning", *common, *device)
                command = script("peers/stable_baselines.py", *about, python=plan.pythons[peer])
                found.append(on_all(plan, f"{group}, {words}", group, command, threads))
    place = ("--threads", plan.threads, "--device", plan.device)
    products = ("throughput_learner.py", "--what", "products", "--batch", batch, *place)
    for dtype in ("float32", "bfloat16"):
        found.append(on_all(plan, f"products, {dtype}", LIMIT, script(*products, "--dtype", dtype), plan.threads))
    return found


def own_learners(plan: Plan, words: str, options: Sequence[object], threads: int) -> list[Contestant]:
    """Our learner on the CPU; on a GPU with its stores there, with CUDA graphs and without."""
    if plan.device == "cpu":
        return [on_all(plan, f"spreeze, {words}", OURS, script("throughput_learner.py", *options), threads)]
    place = (*options, "--device", plan.device, "--updates-per-call", plan.updates_per_call)
    graph, eager = script("throughput_learner.py", *place), script("throughput_learner.py", *place, "--eager")
    return [
        on_all(plan, "spreeze, CUDA graphs", OURS, graph, threads),
        on_all(plan, "spreeze, eager", OURS, eager, threads),
    ]


def thread_counts(plan: Plan, batch: int) -> list[int]:
    """Threads of a learner: all, and one where batches are so small that more may not pay."""
    one = plan.quick or plan.threads == 1 or plan.device != "cpu" or batch > 1024
    return [plan.threads] if one else [plan.threads, 1]


def both(plan: Plan, environment: str) -> list[Contestant]:
    """Everybody who samples and learns at once."""
    common = ("--env", environment, "--seed", plan.seed)
    own = script("throughput_run.py", *common, "--options", plan.run)
    threads = [plan.threads] if plan.quick else sorted({1, plan.threads})
    found = [Contestant("spreeze run", OURS, [own], [plan.cores], plan.threads)]
    if "stable-baselines3" in plan.pythons:
        found += [baselines(plan, "Stable-Baselines3", (*common, "--count", 1), count) for count in threads]
    if "sbx" in plan.pythons and not plan.quick:
        found += [baselines(plan, "SBX", (*common, "--count", count), plan.threads) for count in (1, 8)]
    if "torchrl" in plan.pythons and not plan.quick:
        found += [torchrl(plan, common, count) for count in threads]
    return found


def baselines(plan: Plan, group: str, words: Sequence[object], threads: int) -> Contestant:
    """Stable-Baselines3 or SBX, learning as its users do."""
    library, peer = ("sb3", "stable-baselines3") if group == "Stable-Baselines3" else ("sbx", "sbx")
    about = ("--library", library, "--part", "both", *words, "--threads", threads)
    command = script("peers/stable_baselines.py", *about, python=plan.pythons[peer])
    return on_all(plan, f"{group}, {words[-1]} at once, {threads} threads", group, command, threads)


def torchrl(plan: Plan, common: Sequence[object], threads: int) -> Contestant:
    """TorchRL with an asynchronous collector."""
    command = script("peers/torchrl_async.py", *common, "--threads", threads, python=plan.pythons["torchrl"])
    return on_all(plan, f"TorchRL, asynchronous, {threads} threads", "TorchRL", command, threads)
