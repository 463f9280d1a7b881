"""The status of a run: what it says is what the counters say, on every kind of terminal."""

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyte
import pytest
from rich.console import Console

from spreeze import registry
from spreeze.config import Settings
from spreeze.journal import Journal
from spreeze.panel.view import Line, Lookout, View
from spreeze.preflight import prepare
from spreeze.sizing import sizes
from spreeze.stage_memory import StageMemory
from spreeze.status import Status
from spreeze.transport.counters import BEAT, ENV_STEPS, PID, ROWS, UPDATES, WAITED
from spreeze.tuning.trial import Rates


def settings_of(**run: Any) -> Settings:
    data = {"env": "pendulum", "run": {"samplers": 2, "visualize": "none", **run}, "algorithm": {"capacity": 1000}}
    return Settings.from_data(data)


class Scene:
    """A stage with its memory and its journal, as an orchestrator holds them, and nobody who plays in it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        spec, stages = prepare(settings)
        chosen = sizes(settings, registry.algorithm(settings.algo), stages[0])
        self.memory = StageMemory(settings, spec, stages[0], 0, chosen)
        self.journal = Journal(folder, settings, {}, lambda text: None)
        self.journal.begin_stage(stages[0].name, self.memory.counters, chosen)
        self.counters = self.memory.counters

    def second(self, steps: int = 100, updates: int = 10) -> None:
        """One second of a run of which the learner waits a quarter."""
        now = time.monotonic_ns()
        for role in self.memory.roles:
            self.counters.row(role)[[BEAT, PID]] = now, 1
        for role in self.memory.roles[:2]:
            self.counters.row(role)[ENV_STEPS] += steps
        self.counters.row("learner")[[UPDATES, ROWS]] += updates, 256 * updates
        self.counters.row("learner")[WAITED] += 250_000_000
        self.journal.sample()

    def evaluate(self, mean: float, best: float) -> None:
        """An evaluation with this mean."""
        self.journal.add_evaluation(
            {"begun_ns": time.monotonic_ns(), "env_steps": 1, "updates": 1, "returns": [mean - 1, mean + 1],
             "lengths": [9], "metrics": {}, "best": best}
        )  # fmt: skip

    def close(self) -> None:
        self.journal.close()
        self.memory.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path, settings_of(steps=1000, seconds=3600.0, until_return=50.0))
    yield made
    made.close()


def by_name(view: View) -> dict[str, Line]:
    return {line.name: line for line in (*view.lines, *view.metrics)}


def test_a_view_says_what_the_counters_say(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr("spreeze.journal.time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    for _ in range(3):
        scene.second()
        now[0] += 1.0
    scene.journal.add_metrics({"loss/critic": 0.25})
    scene.evaluate(20.0, 30.0)
    scene.journal.restarts["learner"] = 2
    shown = by_name(Lookout().look(scene.journal, scene.memory))
    assert shown["env steps"].value == "200/s" and shown["env steps"].note == "600 in all"
    assert shown["updates"].value == "10/s" and shown["update frames"].value == "2,560/s"
    assert shown["replay ratio"].value == "12.80"
    assert (shown["time"].share, shown["time"].note.split(";")[0]) == (0.6, "60% of 1,000 steps, 2 s left")
    assert shown["return"].value == "20" and shown["return"].note == "best 30, 1 evaluation, ends at 50"
    assert shown["learner"].share == 0.25 and shown["learner"].note == "for samplers, restarted 2 times"
    assert shown["sampler-1"].value == "waits 0%" and "100 steps/s" in shown["sampler-1"].note
    assert shown["loss/critic"].value == "0.25" and list(shown["loss/critic"].trace) == [0.25]


def test_rates_stand_beside_those_of_the_tuner_or_else_beside_the_best_of_the_stage(scene: Scene) -> None:
    lookout = Lookout()
    scene.journal.rates = lambda: dict.fromkeys(("env_steps", "updates", "rows", "ratio", "lag"), rate)  # type: ignore[method-assign]
    for rate in [*[80.0] * 15, 60.0]:  # noqa: B007
        view = lookout.look(scene.journal, scene.memory)
    assert by_name(view)["updates"].note.startswith("75% of 80 at best")
    scene.journal.tuned = Rates(600.0, 120.0, 0.0, 0.0)
    shown = by_name(lookout.look(scene.journal, scene.memory))
    assert shown["updates"].note.startswith("50% of 120 tuned") and shown["updates"].share == 0.5
    assert shown["env steps"].note.startswith("10% of 600 tuned")


def test_roles_that_start_or_give_no_sign_of_life_are_named(scene: Scene) -> None:
    before = by_name(Lookout().look(scene.journal, scene.memory))
    assert {before[role].value for role in scene.memory.roles} == {"starting"}
    scene.second()
    after = by_name(Lookout(clock=lambda: time.monotonic() + 30).look(scene.journal, scene.memory))
    assert {(after[r].value, after[r].kind, after[r].note) for r in ("learner", "evaluator")} == {
        ("silent", "alarm", "for 30 s")
    }


def test_many_samplers_share_a_line(tmp_path: Path) -> None:
    scene = Scene(tmp_path, settings_of(samplers=6))
    scene.second()
    shown = by_name(Lookout().look(scene.journal, scene.memory))
    assert shown["6 samplers"].value == "wait 0%" and "sampler-0" not in shown
    scene.close()


def test_a_stage_without_samplers_shows_no_environment_steps(tmp_path: Path) -> None:
    data = {"algo": "bc", "env": "hopper", "run": {"visualize": "none", "seconds": 60.0}}
    scene = Scene(tmp_path, Settings.from_data(data))
    shown = by_name(Lookout().look(scene.journal, scene.memory))
    assert not shown.keys() & {"env steps", "replay ratio", "sampler-0"}
    assert {"updates", "learner", "evaluator", "memory"} <= shown.keys()
    scene.close()


def terminal(width: int, height: int, **environment: str) -> Console:
    return Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, soft_wrap=True, highlight=False,
        _environ={"TERM": "xterm-256color", **environment},
    )  # fmt: skip


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def status_of(scene: Scene, console: Console) -> Status:
    status = Status(console)
    status.journal = scene.journal
    return status


def test_a_terminal_gets_a_panel_and_what_is_said_stays_above_it(scene: Scene) -> None:
    console = terminal(80, 40)
    status = status_of(scene, console)
    for _ in range(3):
        scene.second()
        status.show(scene.memory)
    status.say("something happened")
    status.close()
    text = written(console)
    assert "╭─" in text and "sampler-1" in text
    assert text.index("something happened") < text.rindex("╭─")
    assert text.endswith("\x1b[?25h") or text.rstrip().endswith("╯") or "\x1b[?25h" in text.rsplit("╯", 1)[1]


@pytest.mark.parametrize(
    "console",
    [
        Console(file=io.StringIO(), soft_wrap=True),
        terminal(80, 24, TERM="dumb"),
        terminal(40, 6),
    ],
    ids=["pipe", "dumb", "tiny"],
)
def test_where_no_panel_can_be_drawn_a_line_holds_all_numbers_every_ten_seconds(
    scene: Scene, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, now = status_of(scene, console), [0.0]
    monkeypatch.setattr("spreeze.status.time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    for _ in range(15):
        status.show(scene.memory)
        now[0] += 1.0
    text = written(console)
    assert len(text.splitlines()) == 2 and "\x1b[" not in text
    assert "env steps" in text and "memory" in text and "time" in text


def test_no_color_leaves_the_panel_without_colours(scene: Scene) -> None:
    console = terminal(80, 40, NO_COLOR="1")
    status = status_of(scene, console)
    scene.second()
    status.show(scene.memory)
    status.close()
    assert "╭─" in written(console) and not re.search(r"\x1b\[[\d;]*3[0-9]m", written(console))


def test_a_terminal_shows_one_whole_panel_whatever_is_said_and_however_its_size_changes(scene: Scene) -> None:
    console, screen = terminal(80, 24), pyte.Screen(80, 24)
    status, stream, seen = status_of(scene, console), pyte.Stream(screen), 0
    scene.evaluate(1.0, 1.0)
    for k, (width, height) in enumerate([(80, 24)] * 3 + [(64, 20)] * 2 + [(110, 44)] * 2):
        console.width, console.height = width, height
        screen.resize(height, width)
        scene.second()
        scene.evaluate(float(k), float(k))
        status.show(scene.memory)
        status.say(f"said {k}")
        stream.feed(written(console)[seen:].replace("\n", "\r\n"))
        seen = len(written(console))
        begun = [row for row, line in enumerate(screen.display) if "╭" in line]
        assert len(begun) == 1 and sum("╰" in line for line in screen.display) == 1
        assert screen.display[begun[0] - 1].rstrip() == f"said {k}"
    status.close()


def test_a_changed_size_begins_on_a_clear_screen(scene: Scene) -> None:
    console = terminal(80, 40)
    status = status_of(scene, console)
    status.show(scene.memory)
    assert "\x1b[2J" not in written(console)
    console.width = 70
    status.show(scene.memory)
    status.close()
    assert "\x1b[2J" in written(console)


def test_a_look_costs_next_to_nothing(scene: Scene) -> None:
    status, count = status_of(scene, terminal(100, 50)), 50
    for k in range(200):
        scene.evaluate(float(k), float(k))
    scene.second()
    status.show(scene.memory)
    begin = time.process_time()
    for _ in range(count):
        status.show(scene.memory)
    assert (time.process_time() - begin) / count < 0.03
    status.close()
