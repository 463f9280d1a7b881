"""Small real runs to look at."""

from pathlib import Path

from spreeze.cli import main

TINY = (
    *(
        "--algo",
        "sac",
        "--serial",
        "--hidden",
        "16",
        "16",
        "--warmup",
        "100",
        "--capacity",
        "2000",
        "--batch-size",
        "32",
    ),
    *("--envs-per-sampler", "4", "--replay-ratio", "8", "--evaluation-episodes", "1", "--visualize", "none"),
)
"""Options of a run that needs next to nothing."""


def train(folder: Path, env: str, steps: int = 400) -> Path:
    """A finished run with a checkpoint and a best policy."""
    words = ["run", *TINY, "--env", env, "--out", str(folder), "--steps", str(steps)]
    assert main([*words, "--evaluate-every-steps", "200", "--checkpoint-every-steps", "200"]) == 0
    return folder
