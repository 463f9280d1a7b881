"""The rows of bipeds: planners and end-to-end policies of the planar robots, and the walker, five seeds each.

Settings were chosen on seed 0 of Rabbit alone, before any of these rows; the end-to-end policy has the planner's.
"""

from campaign_rows import SEEDS, Row

STEPS = 1_000_000
"""Decisions of the planner: 8 hours of walking."""
END_TO_END = 5
"""By how many times more steps the end-to-end policy gets."""
SIZES = ("--envs-per-sampler", "64", "--tune", "off")
MINUTES = 15.0


def trained(environment: str, label: str, steps: int, seed: int) -> Row:
    """Return PPO with the planner's settings on an environment."""
    learn = ("--algo", "alip", "--env", environment, "--steps", f"{steps}", *SIZES, "--evaluation-episodes", "32")
    options = (*learn, "--visualize", "none", "--seed", "{seed}", "--out", "{out}")
    command = ("{python}", "-m", "spreeze", "run", *options)
    return Row(f"alip-{environment}-{seed}", command, environment, label, seed, MINUTES * steps / STEPS)


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
        trained(plans, "ALIP planner", STEPS, seed),
        trained(f"{robot}-joints", "end to end", END_TO_END * STEPS, seed),
    )
)
