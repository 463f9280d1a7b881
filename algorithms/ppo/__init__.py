"""Proximal policy optimisation, collected while it learns: clipped policy gradients from a queue of segments.

Source: Schulman et al., Proximal Policy Optimization Algorithms, arXiv 1707.06347; equation numbers are that paper's.
An update takes one segment of every stream, goes through its rows for several epochs, and publishes weights and
normalisation together. Samplers collect the next segments meanwhile, with weights at most `max_lag` updates older than
those that consume them; ratios are to the policy that acted, whose log-probabilities are stored. Without the
orchestrator:

    parts = learner(spec, PPOConfig(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))
    for segments in queue:                         # fields (L, B, ...), as `Draw` says of a queue
        parts["ppo"].update({"segments": segments})
"""

from spreeze.algorithms.ppo.config import PPOConfig as PPOConfig
from spreeze.algorithms.ppo.learner import PPOPart as PPOPart
from spreeze.algorithms.ppo.networks import PPOPolicy as PPOPolicy
from spreeze.algorithms.ppo.plugin import ALGORITHM as ALGORITHM
from spreeze.algorithms.ppo.plugin import learner as learner
