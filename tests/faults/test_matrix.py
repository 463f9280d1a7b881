"""The matrix itself: resumable, selectable, honest in its table."""

from pathlib import Path

import pytest

from tests.faults import matrix
from tests.faults.matrix import main, plans_of
from tests.faults.plan import ROWS, FaultPlan, Outcome
from tests.faults.records import BEGIN, END, Records, table

DAMAGE = "damage/checkpoint/sac"


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> list[FaultPlan]:
    """Trials that are noted instead of made; every third one fails."""
    made: list[FaultPlan] = []

    def note(plan: FaultPlan, root: Path) -> Outcome:
        made.append(plan)
        return Outcome("it broke" if plan.trial % 3 == 2 else "", recovery_s=1.0 + plan.trial)

    monkeypatch.setattr(matrix, "play_alone", note)
    return made


def test_a_second_call_goes_on_where_the_first_one_ended(tmp_path: Path, passing: list[FaultPlan]) -> None:
    assert main(["--only", "damage", "--trials", "2", "--out", str(tmp_path)]) == 0
    assert main(["--only", "damage", "--trials", "5", "--out", str(tmp_path)]) == 1, "a trial has failed"
    assert [plan.trial for plan in passing] == [0, 1, 2, 3, 4]
    assert Records(tmp_path / "faults.json").tried(DAMAGE) == 5
    assert main(["--only", "damage", "--trials", "1", "--fresh", "--out", str(tmp_path)]) == 0
    assert Records(tmp_path / "faults.json").tried(DAMAGE) == 1


def test_the_table_counts_failures_and_names_what_was_not_tried(tmp_path: Path, passing: list[FaultPlan]) -> None:
    (tmp_path / "faults.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main(["--only", "damage", "--trials", "4", "--out", str(tmp_path)]) == 1
    page = (tmp_path / "faults.md").read_text()
    assert "| damage | checkpoint | sac | 3 / 4 | 2.5 (4.0) |  |" in page
    assert "Not tried: kill/sampler/sac" in page and "old" not in page
    assert page.startswith("before\n") and page.endswith("\nafter\n")


def test_what_is_left_to_chance_follows_from_seed_row_and_trial() -> None:
    plan = FaultPlan("kill", "learner", "sac", 3, seed=1)
    assert plan.random().random() == FaultPlan("kill", "learner", "sac", 3, seed=1).random().random()
    others = (FaultPlan("kill", "learner", "sac", 4, 1), FaultPlan("kill", "learner", "sac", 3, 2))
    assert plan.random().random() not in [other.random().random() for other in others]


def test_every_row_has_a_name_of_its_own_and_rows_that_do_not_exist_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = plans_of(Records(tmp_path / "faults.json"), ROWS, 2, 0)
    assert len({plan.name for plan in plans}) == 2 * len(ROWS)
    with pytest.raises(SystemExit):
        main(["--only", "flood", "--out", str(tmp_path)])
    assert "no row begins with 'flood'; there are kill/sampler/sac" in capsys.readouterr().err


def test_the_table_of_the_documentation_is_that_of_its_records(root: Path) -> None:
    page = (root / "docs" / "faults.md").read_text()
    assert table(Records(root / "docs" / "faults.json")) in page


@pytest.mark.slow
def test_a_damaged_file_is_a_trial_of_the_matrix(tmp_path: Path) -> None:
    outcome = matrix.play_alone(FaultPlan("damage", "checkpoint", "sac"), tmp_path)
    assert outcome == Outcome()
