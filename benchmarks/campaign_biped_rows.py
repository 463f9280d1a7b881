"""The rows of bipeds: planners, end-to-end policies of the planar robots, and the walker, five seeds each.

`alip-` rows are the bare command, walking on flat ground; for Digit with more robots side by side. In `tough-` rows,
ground and torso are disturbed while learning. They are what data efficiency and robustness are measured on. Settings of
planners were chosen on seed 10 of Walker2D, those of end-to-end policies on seed 10 of Rabbit.
"""

from campaign_rows import SEEDS, Row

from spreeze.algorithms.alip import ALIPConfig

STEPS = {"rabbit": 1_000_000, "walker2d": 900_000}
"""Decisions of a planner that is disturbed; one hour is 120,000. Rabbit's has as many as an end-to-end policy."""
END_TO_END = 1_000_000
"""Those of an end-to-end policy."""
PLANNING = {"rabbit": "rabbit", "walker2d": "walker2d-alip"}
"""Environments of planners."""
SLOPES = ("--slope", "-8", "8")
PUSHES = ("--push", "0", "25", "--push-direction", "0", "360", "--push-time", "2", "8", "--push-phase", "0", "1")
OWN = ("--horizon", "64", "--learning-rate", "3e-4", "--initial-log-std=-0.7")
"""What suits the end-to-end policy better than what suits planners."""
DIGIT = 600_000
"""Decisions of Digit's planner."""
PER_MINUTE, DIGIT_PER_MINUTE = 80_000, 10_000
"""Decisions, about, with evaluations."""


def trained(name: str, environment: str, label: str, seed: int, steps: int = 0, *conditions: str) -> Row:
    """Return PPO with the planner's settings on an environment; without `steps`, the bare command."""
    length = ("--steps", f"{steps}", "--anneal", f"{steps}", "--envs-per-sampler", "64") if steps else ()
    learn = ("--algo", "alip", "--env", environment, *conditions, *length, "--evaluation-episodes", "32")
    options = (*learn, "--visualize", "none", "--seed", "{seed}", "--out", "{out}")
    command = ("{python}", "-m", "spreeze", "run", *options)
    minutes = (steps or ALIPConfig.until) / (DIGIT_PER_MINUTE if environment == "digit" else PER_MINUTE)
    return Row(f"{name}-{environment}-{seed}", command, environment, label, seed, minutes)


def walker(name: str, environment: str, seed: int, *conditions: str) -> Row:
    """Return the ALIP walker, which is only evaluated."""
    run = ("--algo", "alip_walker", "--env", environment, *conditions, "--tune", "off", "--evaluation-episodes", "200")
    options = (*run, "--visualize", "none", "--seed", "{seed}", "--out", "{out}")
    command = ("{python}", "-m", "spreeze", "run", *options)
    return Row(f"{name}-{environment}-{seed}", command, environment, "ALIP walker", seed, 3.0)


PLANAR = tuple(
    row
    for seed in SEEDS
    for robot, plans in PLANNING.items()
    for row in (
        walker("alip-walker", plans, seed),
        walker("tough-walker", plans, seed, *SLOPES, *PUSHES),
        trained("alip", plans, "ALIP planner", seed),
        trained("tough", plans, "ALIP planner, disturbed", seed, STEPS[robot], *SLOPES, *PUSHES),
        trained("tough", f"{robot}-joints", "end to end, disturbed", seed, END_TO_END, *SLOPES, *PUSHES, *OWN),
    )
)

SPATIAL = tuple(
    row
    for seed in SEEDS
    for row in (walker("alip-walker", "digit", seed), trained("alip", "digit", "ALIP planner", seed, DIGIT))
)

ROWS: tuple[Row, ...] = (*PLANAR, *SPATIAL)
