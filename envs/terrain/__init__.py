"""Ground that is not level, what is sensed of it, and environments that walk over it. `docs/terrain.md` is the map."""
