"""The rows of bipeds: planners and end-to-end policies of the planar robots, and the walker, five seeds each.

`alip-` rows are the bare command, walking on flat ground. In `tough-` rows, ground and torso are disturbed while
learning; the end-to-end policy has five times the steps. They are what data efficiency and robustness are measured on.
Settings were chosen for both on seed 10 of Rabbit, on flat ground.
"""

from campaign_rows import SEEDS, Row

STEPS = 300_000
"""Decisions of a planner: two and a half hours of walking."""
END_TO_END = 5
"""By how many times more steps the end-to-end policy gets."""
SLOPES = ("--slope", "-8", "8")
PUSHES = ("--push", "0", "40", "--push-direction", "0", "360", "--push-time", "2", "8", "--push-phase", "0", "1")
OWN = ("--envs-per-sampler", "64", "--learning-rate", "3e-4", "--initial-log-std=-0.7")
"""What suits the end-to-end policy better than what suits planners."""
MINUTES = 3.0


def trained(name: str, environment: str, label: str, steps: int, seed: int, *conditions: str) -> Row:
    """Return PPO with the planner's settings on an environment."""
    learn = ("--algo", "alip", "--env", environment, *conditions, "--steps", f"{steps}", "--evaluation-episodes", "32")
    options = (*learn, "--visualize", "none", "--seed", "{seed}", "--out", "{out}")
    command = ("{python}", "-m", "spreeze", "run", *options)
    return Row(f"{name}-{environment}-{seed}", command, environment, label, seed, MINUTES * steps / STEPS)


def walker(environment: str, seed: int) -> Row:
    """Return the ALIP walker, which is only evaluated."""
    run = ("--algo", "alip_walker", "--env", environment, "--tune", "off", "--evaluation-episodes", "200")
    options = (*run, "--visualize", "none", "--seed", "{seed}", "--out", "{out}")
    command = ("{python}", "-m", "spreeze", "run", *options)
    return Row(f"alip-walker-{environment}-{seed}", command, environment, "ALIP walker", seed, 3.0)


ROWS: tuple[Row, ...] = tuple(
    row
    for seed in SEEDS
    for robot, plans in (("rabbit", "rabbit"), ("walker2d", "walker2d-alip"))
    for row in (
        walker(plans, seed),
        trained("alip", plans, "ALIP planner", STEPS, seed),
        trained("tough", plans, "ALIP planner, disturbed", STEPS, seed, *SLOPES, *PUSHES),
        trained("tough", f"{robot}-joints", "end to end, disturbed", END_TO_END * STEPS, seed, *SLOPES, *PUSHES, *OWN),
    )
)
