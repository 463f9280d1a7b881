"""What is tuned and what is not, what is kept, and whole runs that tune themselves."""

import math
from pathlib import Path
from typing import Any

import pytest

from spreeze.cli import main
from spreeze.config import Settings
from spreeze.folders import cache_folder
from spreeze.preflight import prepare
from spreeze.run_folder import read_summary
from spreeze.tuning import space
from spreeze.tuning.memory import KIND, Found, alone, key_of, known, remember
from spreeze.tuning.space import free_options, obstacle, space_of, too_short
from spreeze.tuning.trial import Rates

TROUBLED = ("--algo", "tests.faults.plugins:ALGORITHM", "--env", "tests.faults.plugins:ENVIRONMENT")
QUIET = ("--visualize", "none", "--evaluate-every", "1000")


def request(**data: Any) -> Settings:
    return Settings.from_data({"algo": "sac", "env": "pendulum"} | data)


def stage_of(settings: Settings) -> Any:
    return prepare(settings)[1][0]


def test_what_is_given_is_not_free() -> None:
    given = request(run={"samplers": 1, "batch_size": 512})
    assert free_options(given, stage_of(given)) == {"envs_per_sampler", "learner_cores", "devices"}


def test_a_stage_without_a_source_has_no_samplers_to_choose() -> None:
    settings = request(algo="td3_bc", env="hopper")
    assert not free_options(settings, stage_of(settings)) & {"samplers", "envs_per_sampler"}


def test_the_batch_of_an_algorithm_without_a_critical_one_is_left_alone() -> None:
    settings = request(algo="td3_bc", env="hopper")
    assert "batch_size" not in free_options(settings, stage_of(settings))
    assert "batch_size" in free_options(request(), stage_of(request()))


def test_parts_can_be_parted_where_there_are_two_and_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "usable_cores", lambda: (0, 1))
    assert space_of(request(), stage_of(request()), {}).split == "critic=cpu,actor=cpu"
    monkeypatch.setattr(space, "usable_cores", lambda: (0,))
    assert "devices" not in space_of(request(), stage_of(request()), {}).free


def test_a_serial_run_is_not_tuned() -> None:
    settings = request(run={"serial": True})
    assert "serial" in obstacle(settings, stage_of(settings))
    assert obstacle(request(), stage_of(request())) == ""


def test_a_stage_that_may_end_at_any_moment_is_not_tuned() -> None:
    settings = request(algo="micro", env="hopper")
    dynamics, policy = prepare(settings)[1]
    assert obstacle(settings, dynamics) == "nobody knows how long it takes"
    assert obstacle(settings, policy) == ""


@pytest.mark.parametrize(
    ("run", "left_s", "rates", "short"),
    [
        ({}, 299.0, None, True),
        ({}, 300.0, None, False),
        ({"tune_seconds": 5.0}, 60.0, None, False),
        ({"steps": 19_999}, math.inf, None, True),
        ({"steps": 300_000}, math.inf, None, False),
        ({"steps": 300_000}, math.inf, Rates(2000.0, 10.0, 0.0, 0.0), True),
        ({"steps": 300_000}, math.inf, Rates(999.0, 10.0, 0.0, 0.0), False),
        ({"steps": 300_000}, math.inf, Rates(0.0, 10.0, 0.0, 0.0), False),
        ({"steps": 300_000}, 299.0, Rates(999.0, 10.0, 0.0, 0.0), True),
    ],
)
def test_tuning_takes_a_tenth_of_a_run_at_most(
    run: dict[str, Any], left_s: float, rates: Rates | None, short: bool
) -> None:
    settings = request(run=run)
    assert too_short(settings, stage_of(settings), left_s, rates) is short


def found(**options: Any) -> Found:
    return Found(options, 1.5, 1000.0, 100.0)


def test_what_was_found_is_known_for_the_same_request_only() -> None:
    one, other = request(run={"samplers": 1}), request(run={"samplers": 2})
    remember(one, 0, found(batch_size=512))
    assert known(one, stage_of(one), 0) == found(batch_size=512)
    assert known(one, stage_of(one), 1) is None
    assert known(other, stage_of(other), 0) is None
    later = request(run={"samplers": 1, "seed": 5, "steps": 10**6})
    assert known(later, stage_of(later), 0) == found(batch_size=512)


@pytest.mark.parametrize("changed", [{"delay": 4}, {"tune_seconds": 5.0}, {"replay_ratio": 4.0}, {"stores": "host"}])
def test_what_changes_rates_is_part_of_the_request(changed: dict[str, Any]) -> None:
    assert key_of(request(run=changed), 0) != key_of(request(), 0)


def test_a_switch_of_the_environment_is_part_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of(request(), 0)
    monkeypatch.setenv("SPREEZE_NO_NATIVE", "1")
    assert key_of(request(), 0) != before


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 10**6}, {"batch_size": "big"}, {"learner_cores": 10_000}, {"devices": "cuda:77"}, {"seed": 1}],
)
def test_what_cannot_be_obeyed_here_is_not_known(options: dict[str, Any]) -> None:
    settings = request(run={"samplers": 5})
    remember(settings, 0, found(**options))
    assert known(settings, stage_of(settings), 0) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"options": 3}', '{"options": {}, "gain": "a"}', '{"options": []}'])
def test_a_damaged_memory_is_none(text: str) -> None:
    settings = request(run={"samplers": 3})
    remember(settings, 0, found())
    (cache_folder() / KIND / f"{key_of(settings, 0)}.json").write_text(text)
    assert known(settings, stage_of(settings), 0) is None


def test_who_looks_for_the_same_waits_and_can_be_interrupted() -> None:
    settings, looks = request(run={"samplers": 6}), list[int]()

    def check() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise KeyboardInterrupt

    with alone(settings, 0, check):
        assert looks == []
        with pytest.raises(KeyboardInterrupt), alone(settings, 0, check):
            raise AssertionError("not alone")
    with alone(settings, 0, check):
        assert len(looks) == 2


WORDS = ["run", *TROUBLED, *QUIET, "--envs-per-sampler", "4", "--tune-seconds", "9", "--steps", "3000"]


def sizes_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_summary(folder)["stages"][-1]["sizes"]
    return found


@pytest.mark.slow
def test_a_run_tunes_itself_and_the_next_one_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "--tune", "again", "--out", str(tmp_path / "one")]) == 0
    said = capsys.readouterr().out
    assert "tuning stage 'sac'" in said
    assert "progress" in said
    run = {"envs_per_sampler": 4, "tune_seconds": 9.0}
    settings = Settings.from_data({"algo": TROUBLED[1], "env": TROUBLED[3], "run": run})
    chosen = known(settings, stage_of(settings), 0)
    assert chosen is not None
    first = sizes_in(tmp_path / "one")
    assert {name: first[name] for name in ("samplers", "batch_size")} == {
        name: chosen.options[name] for name in ("samplers", "batch_size")
    }
    assert first["envs_per_sampler"] == 4

    assert main([*WORDS[:-1], "20000", "--out", str(tmp_path / "two")]) == 0
    said = capsys.readouterr().out
    assert "tuning" not in said
    assert "tuned: " in said
    assert sizes_in(tmp_path / "two")["batch_size"] == first["batch_size"]


@pytest.mark.slow
def test_a_resumed_run_goes_on_with_its_batch_without_the_memory(tmp_path: Path) -> None:
    run = {"envs_per_sampler": 4, "samplers": 1, "learner_cores": 1, "devices": "cpu", "tune_seconds": 9.0}
    settings = Settings.from_data({"algo": TROUBLED[1], "env": TROUBLED[3], "run": run})
    remember(settings, 0, found(batch_size=64))
    given = ["--samplers", "1", "--learner-cores", "1", "--devices", "cpu"]
    assert main([*WORDS[:-1], "20000", *given, "--out", str(tmp_path / "run")]) == 0
    assert sizes_in(tmp_path / "run")["batch_size"] == 64
    (cache_folder() / KIND / f"{key_of(settings, 0)}.json").unlink()
    assert main(["resume", str(tmp_path / "run"), "--steps", "20500"]) == 0
    summary = read_summary(tmp_path / "run")
    assert sizes_in(tmp_path / "run")["batch_size"] == summary["batch_size"] == 64
    assert summary["rows"] == 64 * summary["updates"]


def test_tune_shows_a_table_and_what_it_chose(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", *TROUBLED, "--samplers", "1", "--envs-per-sampler", "4", "--tune-seconds", "6"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "limited by" in said
    assert "kept for the next run: --" in said


def test_tune_refuses_what_has_nothing_to_choose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--algo", "sac", "--env", "pendulum", "--serial"]) == 2
    assert "nothing to choose" in capsys.readouterr().err
