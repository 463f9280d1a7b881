"""The live viewer: a policy in the browser, for the visualizer of a run and for `spreeze watch` (docs/viewer.md)."""
