"""The algorithms of spreeze: every public module in this folder is one, and its name is the word on the command line.

To add one, read `spreeze/contract.py`, then write `algorithms/<name>.py`, or a folder `<name>/` with an `__init__.py`:

1. a frozen dataclass of hyperparameters, each with a default and an attribute docstring: its fields become flags;
2. a policy with `initial_state` and `act`, and one or more parts with `update`, `publish`, `state` and `load_state`;
3. `stages(spaces, config, batch_size)`, which joins them with stores and weight bundles; it raises `UnsupportedSpace`
   for a space that it cannot serve;
4. the constant `ALGORITHM = Algorithm(summary=..., source=..., config=..., stages=...)`.

Nothing is registered by hand: the file's existence is enough, `spreeze list` shows it and the contract test runs it.
Modules whose names begin with "_" hold what several algorithms share. Import torch, numpy, gymnasium, the contract and
`spreeze.algorithms.*`; never an environment. A package of its own offers its `Algorithm` through the entry-point group
`spreeze.algorithms`, or is named on the command line as `module:attribute`.
"""

if __name__ != "spreeze.algorithms":
    raise ImportError(f"import spreeze.algorithms, not {__name__}: this folder belongs to the package spreeze")
