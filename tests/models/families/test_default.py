from pathlib import Path

import pytest
import torch

from models import checkpoint
from models.families.default import DefaultFamily
from models.text_encoder import TextEncoder


@pytest.fixture(scope="module")
def family(tiny_checkpoint: Path) -> DefaultFamily:
    """Tiny networks beside the real text encoder."""
    return DefaultFamily(checkpoint.load(tiny_checkpoint), TextEncoder.pretrained())


def states(family: DefaultFamily, prompt: str) -> torch.Tensor:
    (conditions,) = family.conditions(prompt, "", 1.0, 64, 64)
    return conditions.prompt_embeds


def test_a_weight_moves_its_words_alone(family: DefaultFamily) -> None:
    plain = states(family, "a red fox")

    weighted = states(family, "a (red:1.5) fox")

    torch.testing.assert_close(weighted[:, 2], 1.5 * plain[:, 2])  # [CLS] a red fox [SEP]
    rest = [0, 1, *range(3, 32)]
    assert torch.equal(weighted[:, rest], plain[:, rest])


def test_brackets_are_no_words(family: DefaultFamily) -> None:
    assert torch.equal(states(family, "(a red fox:1.0)"), states(family, "a red fox"))
    weighted = "(red:1.1) " * 29
    assert not family.truncates(weighted)
    assert family.truncates("red " * 31)


def test_weights_of_words_that_are_cut_off_do_no_harm(family: DefaultFamily) -> None:
    assert states(family, "red " * 40 + "(fox:2)").shape == (1, 32, 384)
