"""A batcher in a world where only passes take time."""

from dataclasses import dataclass, field

from worker.batcher import Batcher
from worker.claim import Claim
from worker.cost import FREE, CostCurve


@dataclass(eq=False)
class Item:
    name: int
    claim: Claim
    batch_key: str = "a"
    num_rows: int = 2
    size: float = 1.0


@dataclass
class World:
    """A batcher on a clock of its own: every pass takes what the costs say."""

    costs: CostCurve = FREE
    max_batch_size: int = 8
    now: float = 0.0
    passes: list[list[int]] = field(default_factory=list)
    ended: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.batcher = Batcher[Item](self.max_batch_size, self.costs, clock=lambda: self.now)

    def add(self, name: int, steps: int, **changes: object) -> Item:
        item = Item(name, Claim(self.now), **changes)  # type: ignore[arg-type]
        item.claim.add(steps * item.num_rows * item.size)
        self.batcher.add(item)
        return item

    def step(self) -> None:
        batch = self.batcher.next_batch()
        self.passes.append([item.name for item in batch])
        self.now += self.costs.seconds(sum(item.num_rows * item.size for item in batch))
        for item in batch:
            item.claim.work_left -= item.num_rows * item.size
            if item.claim.work_left <= 0:
                self.batcher.remove(item)
                self.ended[item.name] = self.now

    def run(self) -> None:
        while self.batcher.next_batch():
            self.step()


LINEAR = CostCurve({1: 1.0, 32: 32.0})
