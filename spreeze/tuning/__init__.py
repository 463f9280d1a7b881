"""Sizes of a run chosen by measurement: short trials with real roles, a rule, a search, a memory (docs/tuning.md)."""
