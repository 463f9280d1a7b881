"""How often what happens, alike for all robots over terrain."""

PHYSICS_S = 0.002
"""Step of the physics, and of the servos [s]."""
CHUNK, CHUNKS = 5, 2
"""Steps after which feet are looked at, and how often a decision does that."""
DECISION_S = PHYSICS_S * CHUNK * CHUNKS
"""Between two decisions [s]: 50 of them a second. [R]"""
DELAY_SAMPLES = 4
"""How many targets a servo remembers, so that they may come late."""
