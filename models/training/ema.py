"""An exponential moving average of weights: what is exported is the average, not the last step."""

import torch
from torch import Tensor, nn


class Ema:
    """Averaged weights. A young average forgets fast, so that it is not held back by its start."""

    def __init__(self, module: nn.Module, ema_decay: float) -> None:
        self.ema_decay = ema_decay
        self.updates = 0
        self.weights = {name: weight.detach().clone() for name, weight in weights_of(module)}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average a little towards the weights of now."""
        self.updates += 1
        decay = min(self.ema_decay, self.updates / (self.updates + 10))
        new = [weight for _, weight in weights_of(module)]
        torch._foreach_lerp_(list(self.weights.values()), new, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Overwrite the weights of a module with their average."""
        for name, weight in weights_of(module):
            weight.copy_(self.weights[name])

    def state_dict(self) -> dict[str, Tensor | int]:
        """The averages and how many updates they have seen."""
        return {"updates": self.updates, **self.weights}

    def load_state_dict(self, state: dict) -> None:
        """Take up what `state_dict` gave."""
        self.updates = state["updates"]
        self.weights = {name: state[name].clone() for name in self.weights}


def weights_of(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The trained parameters by name."""
    return [(name, weight) for name, weight in module.named_parameters() if weight.requires_grad]
