"""Generalised advantage estimation over segments that hold several episodes."""

import torch
from torch import Tensor


@torch.no_grad()
def advantages(
    reward: Tensor, terminated: Tensor, ended: Tensor, value: Tensor, last: Tensor, discount: float, decay: float
) -> Tensor:
    """A_t = delta_t + discount decay (1 - ended_t) A_(t+1), all (L, B).

    delta_t = r_t + discount (1 - terminated_t) V(s_(t+1)) - V(s_t): a truncated episode keeps its future. `value` are
    those of the rows, `last` (B,) those of the states after the segment; the row after an end holds the episode's
    final state. Source: Schulman et al., arXiv 1506.02438, equation 16.
    """
    following = torch.cat((value[1:], last[None]))
    delta = reward + discount * (1 - terminated) * following - value
    factor = discount * decay * (1 - ended)
    found, ahead = torch.empty_like(delta), torch.zeros_like(last)
    for step in reversed(range(len(delta))):
        ahead = torch.addcmul(delta[step], factor[step], ahead, out=found[step])
    return found
