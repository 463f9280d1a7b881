"""What is tuned and what is not, what is kept, and whole runs that tune themselves."""

import json
from pathlib import Path
from typing import Any

import pytest

from spreeze.cache import cache_folder, keep_data
from spreeze.cli import main
from spreeze.config import Settings
from spreeze.preflight import prepare
from spreeze.run_folder import read_summary
from spreeze.tuning import space
from spreeze.tuning.memory import KIND, Found, Record, key_of, known, remember
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
    assert free_options(given, stage_of(given)) == {"envs_per_sampler", "learner_cores", "updates_per_call", "devices"}


def test_a_stage_without_a_source_has_no_samplers_to_choose() -> None:
    settings = request(algo="td3_bc", env="hopper")
    assert not free_options(settings, stage_of(settings)) & {"samplers", "envs_per_sampler"}


def test_the_batch_of_an_algorithm_without_a_critical_one_is_left_alone() -> None:
    settings = request(algo="td3_bc", env="hopper")
    assert "batch_size" not in free_options(settings, stage_of(settings))
    assert "batch_size" in free_options(request(), stage_of(request()))


def test_parts_can_be_parted_where_there_are_two_and_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "usable_cores", lambda: (0, 1))
    assert space_of(request(), stage_of(request())).split == "critic=cpu,actor=cpu"
    monkeypatch.setattr(space, "usable_cores", lambda: (0,))
    assert "devices" not in space_of(request(), stage_of(request())).free


def test_a_serial_run_is_not_tuned() -> None:
    settings = request(run={"serial": True})
    assert "serial" in obstacle(settings, stage_of(settings))
    assert obstacle(request(), stage_of(request())) == ""


@pytest.mark.parametrize(
    ("run", "rates", "short"),
    [
        ({"seconds": 299.0}, None, True),
        ({"seconds": 300.0}, None, False),
        ({"seconds": 60.0, "tune_seconds": 5.0}, None, False),
        ({"steps": 19_999}, None, True),
        ({"steps": 300_000}, None, False),
        ({"steps": 300_000}, Rates(2000.0, 10.0, 0.0, 0.0), True),
        ({"steps": 300_000}, Rates(999.0, 10.0, 0.0, 0.0), False),
        ({"steps": 300_000}, Rates(0.0, 10.0, 0.0, 0.0), False),
    ],
)
def test_tuning_takes_a_tenth_of_a_run_at_most(run: dict[str, Any], rates: Rates | None, short: bool) -> None:
    settings = request(run=run)
    assert too_short(settings, stage_of(settings), rates) is short


def test_what_was_found_is_known_for_the_same_request_only() -> None:
    one, other = request(run={"samplers": 1}), request(run={"samplers": 2})
    found = Found({"batch_size": 512}, 1.0, 1.5, 7)
    remember(one, 0, found)
    assert known(one, 0) == found
    assert known(one, 1) is None
    assert known(other, 0) is None
    assert known(request(run={"samplers": 1, "seed": 5, "steps": 10**6}), 0) == found


@pytest.mark.parametrize("text", ["", "[]", "{", '{"options": 3}', '{"options": {"seed": 1}, "first": 1, "best": 1}'])
def test_a_damaged_memory_is_none(text: str) -> None:
    settings = request(run={"samplers": 3})
    keep_data(KIND, key_of(settings, 0), {})
    (cache_folder() / KIND / f"{key_of(settings, 0)}.json").write_text(text)
    assert known(settings, 0) is None


def test_the_record_of_a_run_holds_each_stage(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert record.read() == {}
    record.add(0, {"batch_size": 512})
    record.add(1, {})
    assert record.read() == {0: {"batch_size": 512}, 1: {}}
    (tmp_path / "tuned.json").write_text("{")
    assert record.read() == {}


def test_a_run_tunes_itself_and_the_next_one_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", *TROUBLED, *QUIET, "--envs-per-sampler", "4", "--tune-seconds", "9", "--steps", "3000"]
    assert main([*words, "--tune", "again", "--out", str(tmp_path / "one")]) == 0
    said = capsys.readouterr().out
    assert "tuning stage 'sac'" in said
    assert "progress" in said
    chosen = json.loads((tmp_path / "one" / "tuned.json").read_text())["0"]
    sizes = read_summary(tmp_path / "one")["stages"][0]["sizes"]
    assert sizes["batch_size"] == chosen["batch_size"]
    assert sizes["samplers"] == chosen["samplers"]
    assert sizes["envs_per_sampler"] == 4

    settings = Settings.from_data(
        {"algo": TROUBLED[1], "env": TROUBLED[3], "run": {"envs_per_sampler": 4, "tune_seconds": 9.0}}
    )
    found = known(settings, 0)
    assert found is not None
    assert found.options == chosen

    assert main(["resume", str(tmp_path / "one"), "--steps", "3500"]) == 0
    assert read_summary(tmp_path / "one")["stages"][-1]["sizes"]["batch_size"] == chosen["batch_size"]


def test_tune_shows_a_table_and_what_it_chose(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", *TROUBLED, "--samplers", "1", "--envs-per-sampler", "4", "--tune-seconds", "6"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "limited by" in said
    assert "kept for the next run: --" in said


def test_tune_refuses_what_has_nothing_to_choose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--algo", "sac", "--env", "pendulum", "--serial"]) == 2
    assert "nothing to choose" in capsys.readouterr().err
