"""How the bench of saturation counts, without anything to draw."""

from tests.bench.saturation import FILLING, pictures_a_second


def test_only_the_pictures_between_filling_and_emptying_count() -> None:
    places = 4
    filling = [10.0] * FILLING
    steady = [20.0 + 0.5 * i for i in range(20)]
    emptying = [100.0 + 9.0 * i for i in range(places)]

    rate = pictures_a_second([*emptying, *steady, *filling], places)

    assert abs(rate - 2.0) < 1e-9


def test_pictures_that_come_in_pairs_are_no_faster() -> None:
    pairs = [1.0 * (i // 2) for i in range(FILLING + 41)]

    assert abs(pictures_a_second(pairs, 0) - 2.0) < 0.02
