"""The processes of a run, one file each; `main` starts them, `context` is what they are given."""
