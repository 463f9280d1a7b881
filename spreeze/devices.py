"""The devices that `--devices` names, for the parts of a learner."""

from collections.abc import Mapping, Sequence

import torch

from spreeze.errors import UsageError


def part_devices(text: str) -> dict[str, torch.device]:
    """Read `--devices`: a device for all parts under "*", and those given by part.

    Raises:
        UsageError: a word is no device, or names one that is not there.
    """
    words = {"*": "auto"}
    for word in text.split(","):
        part, _, device = word.rpartition("=")
        words[part or "*"] = device
    return {part: _device(device) for part, device in words.items()}


def part_names(devices: Mapping[str, torch.device]) -> Sequence[str]:
    """Parts that `--devices` names one by one; two or more of them ask for a split learner."""
    return [name for name in devices if name != "*"]


def _device(word: str) -> torch.device:
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(word)
    except RuntimeError as error:
        raise UsageError(f"--devices: '{word}' is no torch device; try cpu, cuda or cuda:0") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--devices: '{word}' is not there; this machine has {torch.cuda.device_count()} CUDA devices")
    return device
