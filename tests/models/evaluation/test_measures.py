import numpy as np
import pytest

from models.evaluation.measures import frechet_distance, inception_style_score, psnr, recall_at

RNG = np.random.default_rng(0)


def test_distance_of_a_set_to_itself_is_nothing() -> None:
    features = RNG.normal(size=(200, 8))

    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)


def test_distance_of_shifted_and_widened_gaussians_is_the_closed_form() -> None:
    real = RNG.normal(size=(20_000, 3))
    ours = real * 2 + 1

    assert frechet_distance(ours, real) == pytest.approx(3 * (1 + 1), rel=0.05)


def test_score_counts_the_things_that_are_told_apart() -> None:
    sharp, same = np.eye(6), np.ones((6, 6))

    assert inception_style_score(sharp, 100) == pytest.approx(6, rel=0.01)
    assert inception_style_score(same) == pytest.approx(1)


def test_recall_counts_pictures_that_find_their_own_caption_among_the_first() -> None:
    similarity = np.array([[0.9, 0.1, 0.0], [0.5, 0.4, 0.3], [0.3, 0.2, 0.1]])

    assert recall_at(1, similarity) == pytest.approx(1 / 3)
    assert recall_at(2, similarity) == pytest.approx(2 / 3)
    assert recall_at(3, similarity) == 1


def test_psnr_of_one_level_everywhere_is_48_decibels() -> None:
    real = np.full((2, 4, 4, 3), 100, np.uint8)

    assert psnr(real + 1, real) == pytest.approx(48.13, abs=0.01)
