"""Text encoders behind their tokenizers: prompts of any length, each token with its weight.

A prompt that fits is encoded by exactly the call that diffusers' pipelines make. A longer one is
cut into chunks that fit, encoded one by one and laid end to end: cross-attention takes any length.
A weight moves a token's state along the line from the empty prompt's state in that place.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.prompts.weighting import fragments


class Token(NamedTuple):
    id: int
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Text states `[1, length, width]`; `pooled` `[1, width]` where the encoder has such."""

    states: Tensor
    pooled: Tensor | None = None


class ClipEncoder:
    """CLIP's text model; states of its last layer, or of the one before."""

    def __init__(self, tokenizer: Any, model: Any, *, last_layer: bool) -> None:
        self.tokenizer = tokenizer
        self.model = model
        self.chunk_length: int = tokenizer.model_max_length
        self._last_layer = last_layer

    def num_chunks(self, prompt: str) -> int:
        """How many chunks the prompt fills; the empty one fills one."""
        return max(1, -(-len(tokens_of(self.tokenizer, prompt)) // (self.chunk_length - 2)))

    def __call__(self, prompt: str, num_chunks: int) -> Encoded:
        """States `[1, num_chunks * chunk_length, width]`; empty chunks follow a short prompt."""
        tokens, room = tokens_of(self.tokenizer, prompt), self.chunk_length - 2
        chunks = [tokens[i * room : (i + 1) * room] for i in range(num_chunks)]
        encoded = [self._encode(chunk) for chunk in chunks]
        return Encoded(torch.cat([one.states for one in encoded], dim=1), encoded[0].pooled)

    def _encode(self, tokens: list[Token]) -> Encoded:
        tokenizer = self.tokenizer
        filling = [tokenizer.pad_token_id] * (self.chunk_length - 2 - len(tokens))
        ids = [tokenizer.bos_token_id, *(t.id for t in tokens), tokenizer.eos_token_id, *filling]
        encoded = self._run(ids)
        weights = [1.0, *(token.weight for token in tokens)]
        if set(weights) == {1.0}:
            return encoded
        return Encoded(weigh(encoded.states, weights, self._encode([]).states), encoded.pooled)

    def _run(self, ids: list[int]) -> Encoded:
        batch = torch.tensor([ids], device=self.model.device)
        mask = None
        if getattr(self.model.config, "use_attention_mask", False):
            end = ids.index(self.tokenizer.eos_token_id)
            mask = (torch.arange(len(ids), device=batch.device) <= end).long()[None]
        output = self.model(batch, attention_mask=mask, output_hidden_states=True)
        states = output.last_hidden_state if self._last_layer else output.hidden_states[-2]
        pooled = getattr(output, "text_embeds", None)
        return Encoded(states, output.pooler_output if pooled is None else pooled)


class T5Encoder:
    """T5's encoder. It has no longest prompt: places are relative."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.tokenizer = tokenizer
        self.model = model

    def num_tokens(self, prompt: str) -> int:
        """Tokens of the prompt and its end."""
        return len(tokens_of(self.tokenizer, prompt)) + 1

    def __call__(self, prompt: str, length: int) -> Encoded:
        """States `[1, length, width]`; padding is encoded too, as the networks were trained."""
        tokens = tokens_of(self.tokenizer, prompt)
        states = self._run(tokens, length)
        weights = [token.weight for token in tokens]
        if set(weights) <= {1.0}:
            return Encoded(states)
        return Encoded(weigh(states, weights, self._run([], length)))

    def _run(self, tokens: list[Token], length: int) -> Tensor:
        ids = [*(token.id for token in tokens), self.tokenizer.eos_token_id]
        ids += [self.tokenizer.pad_token_id] * (length - len(ids))
        return self.model(torch.tensor([ids], device=self.model.device))[0]


def tokens_of(tokenizer: Any, prompt: str) -> list[Token]:
    """The prompt's tokens without the special ones, each with the weight of its fragment."""
    return [
        Token(token, fragment.weight)
        for fragment in fragments(prompt)
        for token in tokenizer(fragment.text, add_special_tokens=False, verbose=False).input_ids
    ]


def weigh(states: Tensor, weights: list[float], empty: Tensor) -> Tensor:
    """Every token's state, as far from the empty prompt's as its weight says; 1 changes no bit."""
    rest = [1.0] * (states.shape[1] - len(weights))
    weight = torch.tensor([*weights, *rest], device=states.device, dtype=states.dtype)[
        None, :, None
    ]
    return torch.where(weight == 1, states, empty + weight * (states - empty))
