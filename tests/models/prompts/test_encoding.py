from typing import Any

import pytest
import torch

from models.prompts.encoding import ClipEncoder, T5Encoder
from tests.tiny_families import clip, clip_tokenizer, projecting_clip, t5, t5_tokenizer

SHORT = "a red fox"
LONG = "a red fox in the snow, " * 9  # a letter is a token here: three chunks


@pytest.fixture(scope="module")
def encoder() -> ClipEncoder:
    return ClipEncoder(clip_tokenizer(), clip(0), last_layer=True)


@pytest.fixture(scope="module")
def t5_encoder() -> T5Encoder:
    return T5Encoder(t5_tokenizer(), t5(32))


@pytest.fixture(autouse=True)
def _without_gradients() -> Any:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("pad_token", ["<|endoftext|>", "!"])
def test_a_prompt_that_fits_is_encoded_as_the_library_does(pad_token: str) -> None:
    tokenizer, model = clip_tokenizer(pad_token), projecting_clip(0)
    ids = tokenizer(SHORT, padding="max_length", max_length=77, return_tensors="pt").input_ids

    encoded = ClipEncoder(tokenizer, model, last_layer=False)(SHORT, 1)

    expected = model(ids, output_hidden_states=True)
    assert torch.equal(encoded.states, expected.hidden_states[-2])
    assert encoded.pooled is not None
    assert torch.equal(encoded.pooled, expected.text_embeds)


def test_no_word_of_a_long_prompt_is_lost(encoder: ClipEncoder) -> None:
    num_chunks = encoder.num_chunks(LONG)
    states = encoder(LONG, num_chunks).states

    assert num_chunks == 3
    assert states.shape == (1, 3 * 77, 32)
    changed = encoder(LONG + "x", num_chunks).states
    assert torch.equal(states[:, :154], changed[:, :154])
    assert not torch.equal(states[:, 154:], changed[:, 154:])


def test_empty_chunks_follow_a_short_prompt_beside_a_long_one(encoder: ClipEncoder) -> None:
    states = encoder(SHORT, 2).states

    assert torch.equal(states[:, :77], encoder(SHORT, 1).states)
    assert torch.equal(states[:, 77:], encoder("", 1).states)
    assert encoder.num_chunks("") == encoder.num_chunks("a" * 75) == 1
    assert encoder.num_chunks("a" * 76) == 2


@pytest.mark.parametrize("which", ["clip", "t5"])
def test_a_weight_moves_its_words_away_from_the_empty_prompt(
    encoder: ClipEncoder, t5_encoder: T5Encoder, which: str
) -> None:
    encode = encoder if which == "clip" else t5_encoder
    size = 1 if which == "clip" else 64
    plain, empty = encode("redfox", size).states, encode("", size).states

    none, twice = (encode(f"(redfox:{weight})", size).states for weight in (0, 2))

    first = 1 if which == "clip" else 0
    words = slice(first, first + 6)
    torch.testing.assert_close(none[:, words], empty[:, words])
    far = 2 * (plain[:, words] - empty[:, words])
    torch.testing.assert_close(twice[:, words] - empty[:, words], far)
    if which == "clip":
        assert torch.equal(twice[:, 7:], plain[:, 7:])


def test_a_weight_of_one_changes_no_bit(encoder: ClipEncoder) -> None:
    plain, weighted = encoder("red fox", 1).states, encoder("(red:1.0) fox", 1).states

    assert torch.equal(plain, weighted)


def test_t5_reads_prompts_of_any_length(t5_encoder: T5Encoder) -> None:
    prompt = "a fox in the snow, " * 40

    assert t5_encoder.num_tokens(prompt) > 512
    assert t5_encoder(prompt, 1024).states.shape == (1, 1024, 32)
