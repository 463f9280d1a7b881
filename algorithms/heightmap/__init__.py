"""Walking over terrain by a heightmap that is predicted from pictures, learned in stages.

Source: Duan et al., Learning vision-based bipedal locomotion for challenging terrain, arXiv 2309.14594;
docs/heightmap.md says what of it could be read. A blind policy walks; a modulator sees the heights ahead and adds to
its actions; a predictor makes these heights of depth pictures and the robot's motion, and is corrected on its own
roll-outs.
"""

from spreeze.algorithms.heightmap.config import HeightmapConfig as HeightmapConfig
from spreeze.algorithms.heightmap.plugin import ALGORITHM as ALGORITHM
