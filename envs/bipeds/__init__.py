"""Bipeds that walk under a planner: the robots, their controllers at 1 kHz, and environments of 33 decisions a second.

`robot.py` says what a robot is to its environments, `docs/alip.md` which file does what.
"""
