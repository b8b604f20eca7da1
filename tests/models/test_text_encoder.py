from pathlib import Path

import pytest
import torch

from models.card import CheckpointError
from models.text_encoder import TextEncoder, verify_sha256


@pytest.fixture(scope="module")
def text_encoder() -> TextEncoder:
    return TextEncoder.pretrained()


def test_states_have_the_promised_shape_and_type(text_encoder: TextEncoder) -> None:
    states = text_encoder(["a red heart", ""])

    assert states.shape == (2, TextEncoder.max_length, TextEncoder.width)
    assert states.dtype == torch.float32


def test_states_are_zero_at_padding_only(text_encoder: TextEncoder) -> None:
    (states,) = text_encoder(["a red heart"])

    used = (states != 0).any(dim=-1)

    assert used.tolist() == [True] * 5 + [False] * 27


def test_bits_do_not_depend_on_the_other_prompts(text_encoder: TextEncoder) -> None:
    alone = text_encoder(["a red heart"])

    crowd = text_encoder(["a cat on a very long blue sofa", "a red heart", ""])

    assert torch.equal(crowd[1], alone[0])


def test_a_batch_of_captions_is_the_same_up_to_rounding(text_encoder: TextEncoder) -> None:
    captions = ["a red heart", "a cat on a very long blue sofa"]
    batch = text_encoder.encode_batch(captions)

    torch.testing.assert_close(batch, text_encoder(captions)[:, : batch.shape[1]])


def test_colours_differ_in_the_token_states(text_encoder: TextEncoder) -> None:
    red, blue = text_encoder(["a red heart", "a blue heart"])

    assert torch.nn.functional.cosine_similarity(red[2], blue[2], dim=0) < 0.8


def test_truncation_can_be_told_before_it_happens(text_encoder: TextEncoder) -> None:
    longest = " ".join(["cat"] * 30)

    assert text_encoder.count_tokens(longest) == TextEncoder.max_length
    assert not text_encoder.truncates(longest)
    assert text_encoder.truncates(longest + " cat")


def test_nothing_is_left_to_train(text_encoder: TextEncoder) -> None:
    assert not any(weight.requires_grad for weight in text_encoder.parameters())


def test_other_weights_are_refused_by_name_and_hash(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"other")

    with pytest.raises(CheckpointError, match=r"model.safetensors: has SHA-256 d9298a10"):
        verify_sha256(weights, "abc")
