"""What terrain costs, what feet do at its edges, and how trained policies walk over it.

    python benchmarks/terrain.py speed                # sensing and control beside the physics alone
    python benchmarks/terrain.py ground               # boxes, a height field and a plane: cost, and a foot at an edge
    python benchmarks/terrain.py walk RUN ...         # heightmap runs, stage by stage, terrain by terrain

Runs whose names differ in what follows the last `-` are seeds of one. Seconds are CPU time of the process, so that
other work beside it does less harm; what is compared takes turns in one process, and tables give medians of the turns.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from rich.console import Console
from rich.table import Table
from terrain_walk import measure, walk_table, write

from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.terrain import SUMMARIES, make_vector, ranges, walker
from spreeze.envs.terrain.depth import DepthCamera, DepthNoise, DepthSensor, tilted
from spreeze.envs.terrain.ground import Ground, with_ground
from spreeze.envs.terrain.heightmap import ACROSS, AHEAD, Heightmap, MapNoise, MapSensor
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.shapes import make_terrain
from spreeze.envs.terrain.timing import CHUNK, CHUNKS

TURNS = 7
CAPSULES = 8
"""Of a robot in view of the camera with 64 x 64 pixels."""
CELL = 0.02
"""Of the height field [m]."""
STEP = 0.1
"""Height of the step at which a foot is tried [m]."""
console = Console()


def by_turns(works: Mapping[str, Callable[[], object]], calls: int) -> dict[str, float]:
    """CPU time of one call of each [us]: median of `TURNS`."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(TURNS):
        for name, work in works.items():
            begun = time.process_time()
            for _ in range(calls):
                work()
            seconds[name].append((time.process_time() - begun) / calls)
    return {name: float(np.median(values)) * 1e6 for name, values in seconds.items()}


def repeated(simulations: BatchSimulations, work: Callable[[], object]) -> Callable[[], object]:
    """`work` from the states of now, over and over."""
    begun = simulations.state.copy()

    def again() -> None:
        simulations.state[...] = begun
        work()

    return again


def speed(robots: int, environment: str) -> None:
    """Control steps of an environment, beside the physics."""
    kinds: dict[str, dict[str, Any]] = {
        "blind": {"senses": "blind"},
        "with its map": {"senses": "map"},
        "with all but the camera": {"senses": "all"},
        "with all": {"senses": "all", "depth": "always"},
    }
    vectors = {n: make_vector(environment, TerrainOptions(**o), robots, 0) for n, o in kinds.items()}
    action = np.zeros((robots, *vectors["blind"].action_space.shape))
    for vector in vectors.values():
        vector.reset()
        for _ in range(20):
            vector.step(action)
    simulations = vectors["with all"].simulations
    steps = CHUNK * CHUNKS
    works = {"physics alone": repeated(simulations, lambda: simulations.step(steps))}
    works |= {n: repeated(v.simulations, lambda v=v: v.step(action)) for n, v in vectors.items()}  # type: ignore[misc]
    senses, decision = vectors["with all"].senses, np.full(robots, 20)
    works |= {"the map": lambda: senses._seen(decision), "the camera": lambda: senses._picture(decision)}
    found = by_turns(works, 3)
    physics = found["physics alone"] / robots
    table = Table(f"a decision of {environment}", "us for a robot", "to physics", "decisions/s on a core")
    for name, microseconds in found.items():
        each = microseconds / robots
        table.add_row(name, f"{each:.0f}", f"{each / physics:.2f}", f"{1e6 / each:,.0f}")
    console.print(table)


def spatial_sensing(robots: int) -> None:
    """The map and the picture of a robot in three dimensions."""
    spec = mujoco.MjSpec()
    with_ground(spec, spatial=True)
    ground = Ground(BatchSimulations(spec.compile(), robots, ("mocap_pos", "mocap_quat"), 1), spatial=True)
    random = np.random.default_rng(0)
    base = np.column_stack([random.uniform(0, 4, robots), np.zeros(robots), np.full(robots, 2.0)])
    capsules = np.concatenate(
        [random.uniform(-0.3, 0.3, (robots, CAPSULES, 6)), np.full((robots, CAPSULES, 1), 0.05)], 2
    )
    capsules[:, :, :6] += np.tile(base - [0, 0, 0.6], 2)[:, None]
    cells, camera = Heightmap(ground, AHEAD, ACROSS), DepthCamera(ground, 64, 64)
    rotation, yaw, decision = np.tile(np.eye(3), (robots, 1, 1)), np.zeros(robots), np.full(robots, 20)
    sensors = MapSensor(cells, MapNoise(), robots), DepthSensor(camera, DepthNoise(), robots)
    for index in range(robots):
        for sensor in sensors:
            sensor.begin(index, random)
    columns = ("map 20 x 30 [us]", "with noise", "picture 64 x 64 [us]", "with noise", "boxes moved [us]")
    table = Table("in three dimensions", *columns)
    for kind in ranges.KINDS:
        for index in range(robots):
            terrain = make_terrain(kind, "train", 1.0, np.random.default_rng(index), spatial=True)
            ground.lay(index, terrain)
        works = {
            "map": lambda: cells.clean(base, yaw),
            "map sensed": lambda: sensors[0].sense(base, yaw, decision),
            "picture": lambda: camera.look(base, tilted(rotation), capsules),
            "picture sensed": lambda: sensors[1].sense(base, rotation, capsules, decision),
            "boxes": lambda: ground.follow(base[:, :2]),
        }
        found = by_turns(works, 3)
        table.add_row(kind, *(f"{microseconds / robots:.0f}" for microseconds in found.values()))
    console.print(table)


def grounds() -> dict[str, Any]:
    """The walker's model on a plane, on boxes, on a height field: `MjSpec` by name, the ground's top at `STEP`."""
    found = {}
    for name in ("plane", "boxes", "height field"):
        spec = walker.robot()
        add_ground(spec, name)
        found[name] = spec
    return found


def add_ground(spec: Any, name: str, begin: float = -7.0) -> None:
    """Let the ground be at `STEP` from x = `begin` on, made of what is called so."""
    if name == "boxes":
        with_ground(spec, spatial=False)
    if name == "plane":
        spec.geom("floor").pos = [0, 0, STEP]
    if name == "height field":
        count = round(16 / CELL) + 1
        heights = (np.linspace(-8, 8, count) >= begin - 1e-9).astype(float)
        spec.add_hfield(name="field", nrow=2, ncol=count, size=[8, 1, STEP, 0.5], userdata=np.tile(heights, 2))
        floor = spec.geom("floor")
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="field", contype=0, conaffinity=1, friction=floor.friction,
            solref=floor.solref,
        )  # fmt: skip


def cost(robots: int) -> None:
    """Of a step of physics with walkers that stand on each ground."""
    table, works = Table("ground", "a step of physics [us]"), {}
    for name, spec in grounds().items():
        model = spec.compile()
        fields = ("mocap_pos", "mocap_quat") if model.nmocap else ()
        simulations = BatchSimulations(model, robots, fields, 1)
        for index in range(robots):
            qpos, simulations.qvel[index] = walker.start(np.random.default_rng(index))
            simulations.qpos[index] = qpos + np.array([0, STEP, *[0] * 7])
        simulations.ctrl[:] = walker.POSE
        if fields:
            ground = Ground(simulations, spatial=False)
            for index in range(robots):
                treads = np.arange(-4, 4, 0.3)
                rows = [[x, x + 0.3, -10, 10, STEP, STEP] for x in treads]
                ground.lay(index, np.array(rows))
            ground.follow(np.zeros((robots, 2)))
        simulations.step(100)
        works[name] = repeated(simulations, lambda simulations=simulations: simulations.step(50))  # type: ignore[misc]
    for name, microseconds in by_turns(works, 2).items():
        table.add_row(name, f"{microseconds / robots / 50:.2f}")
    console.print(table)


FOOT = """<mujoco><option timestep="0.002" integrator="implicitfast"/><worldbody>
<geom name="floor" type="plane" size="0 0 1" contype="0" conaffinity="1" friction="0.7" solref="0.005 1"/>
<body name="foot"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/><joint axis="0 1 0"/>
<geom type="capsule" fromto="-0.1 0 0 0.1 0 0" size="0.06" mass="12" contype="1" conaffinity="0" friction="1.9"
 solref="0.005 1"/></body></worldbody></mujoco>"""


def foot_at_edge(name: str, place: tuple[float, float], force: float) -> tuple[float, float, int]:
    """A foot of 12 kg at `place` of its middle, the step beginning at x = 0, pushed forward: after 0.4 s."""
    spec = mujoco.MjSpec.from_string(FOOT)
    add_ground(spec, name, 0.0)
    model = spec.compile()
    if name == "boxes":
        simulations = BatchSimulations(model, 1, ("mocap_pos", "mocap_quat"), 1)
        ground = Ground(simulations, spatial=False)
        ground.lay(0, np.array([[0.0, 1.0, -10, 10, STEP, STEP]]))
        ground.follow(np.zeros((1, 2)))
        model.geom_size[:], model.geom_rbound[:] = (simulations.parameter(n)[0] for n in ("geom_size", "geom_rbound"))
    data = mujoco.MjData(model)
    if name == "boxes":
        data.mocap_pos[:], data.mocap_quat[:] = (simulations.fields[n][0] for n in ("mocap_pos", "mocap_quat"))
    data.qpos[:2] = place
    contacts = 0
    for _ in range(200):
        data.xfrc_applied[1, 0] = force
        mujoco.mj_step(model, data)
        contacts = max(contacts, data.ncon)
    return float(data.qpos[0]), float(data.qpos[1]), contacts


def edges() -> None:
    """A foot laid across an edge, and one pushed against a riser, on boxes and on a height field."""
    table = Table("a foot", "boxes: x, z [cm], contacts", "height field: x, z [cm], contacts")
    trials = {
        f"laid {100 * x:+.0f} cm from the edge": ((x, STEP + 0.06), 0.0) for x in (0.08, 0.03, 0.01, -0.01, -0.05)
    }
    trials |= {f"pushed at the riser with {f:.0f} N": ((-0.17, 0.06), f) for f in (50.0, 150.0, 300.0)}
    for name, (place, force) in trials.items():
        results = [foot_at_edge(kind, place, force) for kind in ("boxes", "height field")]
        table.add_row(name, *(f"{100 * x:+.1f}, {100 * z:.1f}, {n}" for x, z, n in results))
    console.print(table)


def main() -> None:
    """Read the command line."""
    options = arguments()
    if options.what == "walk":
        found = measure(options)
        Console(width=max(console.width, 160)).print(walk_table(found))
        write(found, options.out)
    elif options.what == "speed":
        for environment in options.env:
            speed(options.robots, environment)
        spatial_sensing(options.robots)
    else:
        cost(options.robots)
        edges()


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    timed = {name: commands.add_parser(name) for name in ("speed", "ground")}
    for command in timed.values():
        command.add_argument("--robots", type=int, default=64)
    timed["speed"].add_argument("--env", nargs="+", default=list(SUMMARIES))
    walk = commands.add_parser("walk")
    walk.add_argument("runs", nargs="+", type=Path)
    walk.add_argument("--stages", nargs="+", default=["modulator", "closed"], help="of which the policies are measured")
    walk.add_argument("--terrain", nargs="+", default=list(ranges.KINDS))
    walk.add_argument("--heights", nargs="+", default=["easy", "hard"])
    walk.add_argument("--episodes", type=int, default=1000, help="on each terrain")
    walk.add_argument("--seed", type=int, default=20_000)
    walk.add_argument("--out", type=Path, default=Path("runs/terrain.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
