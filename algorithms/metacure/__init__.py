"""MetaCURE: exploring in order to know the task, exploiting what is known, one encoder for both.

Source: Zhang et al., MetaCURE: Meta Reinforcement Learning with Empowerment-Driven Exploration, ICML 2021,
arXiv 2006.08170. `docs/metacure.md` says what of it could be read. Parts shared with PEARL are in
`spreeze.algorithms._meta`.
"""

from spreeze.algorithms.metacure.config import MetaCUREConfig as MetaCUREConfig
from spreeze.algorithms.metacure.learner import MetaCUREPart as MetaCUREPart
from spreeze.algorithms.metacure.plugin import ALGORITHM as ALGORITHM
from spreeze.algorithms.metacure.plugin import learner as learner
