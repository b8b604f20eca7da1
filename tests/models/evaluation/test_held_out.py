import numpy as np

from models.evaluation import held_out
from models.training.colours import COLOURS
from models.training.data import Record, TrainingSet
from models.training.latents import captioned_pictures

LABELS = ("star", "rocket", "owl", "cactus", "automobile", "tulip", "lemon", "shark")


def drawings() -> TrainingSet:
    masters = np.zeros((2 * len(LABELS), 32, 32, 4), np.uint8)
    masters[:, 8:24, 8:24] = (78, 172, 72, 255)
    records = [
        Record(label, style, (), 1.0, "green", "train")
        for style in ("flat icon", "cartoon")
        for label in LABELS
    ]
    return TrainingSet(masters, records)


def test_no_unseen_caption_is_one_of_training() -> None:
    questions = held_out.unseen_captions(drawings(), 100)
    seen = {
        text for item in captioned_pictures(drawings(), frozenset(), 0) for text in item.captions
    }

    assert questions
    assert not {question.caption for question in questions} & seen


def test_a_question_comes_with_the_picture_of_it() -> None:
    for question in held_out.unseen_captions(drawings(), 100):
        colour = next(c for c in sorted(COLOURS, key=len, reverse=True)
                      if f" {c} background" in question.caption)  # fmt: skip
        assert np.abs(question.picture[0, 0].astype(int) - COLOURS[colour]).max() <= 10
        assert tuple(question.picture[16, 16]) == (78, 172, 72)


def test_wishes_say_what_is_measured() -> None:
    colours = held_out.colour_wishes(drawings(), 10)
    grounds = held_out.ground_wishes(drawings(), 10)

    assert len(colours) == len(grounds) == 10
    assert all(f"a {wish.expected} " in wish.prompt for wish in colours)
    assert all(f" {wish.expected} background" in wish.prompt for wish in grounds)
    assert {wish.prompt for wish in held_out.count_wishes(drawings(), 3, 50)} >= {"three stars"}
