"""The matrix products of one SAC update, and the floating-point operations in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

CRITICS = 2


@dataclass(frozen=True)
class Product:
    """(rows x inner) times (inner x columns), `count` times."""

    rows: int
    inner: int
    columns: int
    count: int = 1

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns * self.count


@dataclass(frozen=True)
class Network:
    """An MLP by the sizes of its layers, evaluated on `batch` rows, `count` of a kind."""

    sizes: Sequence[int]
    batch: int
    count: int = 1

    def forward(self) -> Iterator[Product]:
        """X W of every layer."""
        for inputs, outputs in pairwise(self.sizes):
            yield Product(self.batch, inputs, outputs, self.count)

    def weights(self) -> Iterator[Product]:
        """X' dY, the gradient of every layer's weight."""
        for inputs, outputs in pairwise(self.sizes):
            yield Product(inputs, self.batch, outputs, self.count)

    def inputs(self, first: int = 0) -> Iterator[Product]:
        """dY W', the gradient of every layer's input; of the network's input, that of `first` columns alone."""
        for layer, (inputs, outputs) in enumerate(pairwise(self.sizes)):
            columns = inputs if layer else first
            if columns:
                yield Product(self.batch, outputs, columns, self.count)


def sac_products(batch: int, observations: int, actions: int, hidden: Sequence[int]) -> list[Product]:
    """Return the products of one update: target, critics, actor; element-wise work and optimisers have none.

    target: actor and critics forward on the next observation. Critics: forward, gradients of weights and of hidden
    activations. Actor: forward, both critics forward and back to the action, gradients of the actor.
    """
    actor = Network((observations, *hidden, 2 * actions), batch)
    critics = Network((observations + actions, *hidden, 1), batch, CRITICS)
    target = [*actor.forward(), *critics.forward()]
    critic = [*critics.forward(), *critics.weights(), *critics.inputs()]
    policy = [*actor.forward(), *critics.forward(), *critics.inputs(first=actions)]
    return [*target, *critic, *policy, *actor.weights(), *actor.inputs()]


def flops_per_row(batch: int, observations: int, actions: int, hidden: Sequence[int]) -> float:
    """Return the operations of one update per row of its batch."""
    return sum(product.flops for product in sac_products(batch, observations, actions, hidden)) / batch
