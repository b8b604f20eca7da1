import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cost import FREE, CostCurve, measure

curves = st.dictionaries(st.integers(1, 32), st.floats(1e-3, 10.0), min_size=1, max_size=6)


def test_between_two_measured_sizes_the_cost_is_on_a_line() -> None:
    curve = CostCurve({1: 1.0, 2: 1.5, 4: 3.5})

    assert [curve.seconds(rows) for rows in (1, 2, 3, 4)] == [1.0, 1.5, 2.5, 3.5]
    assert curve.seconds(8) == 7.0


@given(measured=curves, rows=st.floats(1, 64), more=st.floats(0, 64))
def test_more_rows_are_never_cheaper(measured: dict[int, float], rows: float, more: float) -> None:
    curve = CostCurve(measured)

    assert curve.seconds(rows + more) >= curve.seconds(rows) * (1 - 1e-9) > 0


@given(measured=curves, max_rows=st.integers(1, 32), size=st.floats(0.25, 4))
def test_the_knee_wastes_no_more_than_a_tenth(
    measured: dict[int, float], max_rows: int, size: float
) -> None:
    curve = CostCurve(measured)

    knee = curve.knee(max_rows, size)

    per_row = [curve.seconds(rows * size) / rows for rows in range(1, max_rows + 1)]
    first = next(i for i, cost in enumerate(per_row, 1) if cost <= 1.1 * min(per_row))
    assert knee in {first, min(max_rows, first + 1)}
    assert knee % 2 == 0 or knee == max_rows


def test_where_batching_is_no_cheaper_two_rows_are_enough_and_where_it_is_free_none_are() -> None:
    linear = CostCurve({1: 1.0, 16: 16.0})
    halving = CostCurve({1: 1.0, 2: 1.2, 4: 1.6, 8: 2.4, 16: 4.8})

    assert (linear.knee(16), halving.knee(16), FREE.knee(16)) == (2, 8, 16)
    assert (halving.knee(16, size=4.0), halving.knee(16, size=0.5)) == (2, 14)


def test_measuring_takes_the_least_of_each_size_and_stops_at_slow_passes() -> None:
    now, calls = 0.0, list[int]()

    def run(rows: int) -> None:
        nonlocal now
        calls.append(rows)
        now += rows * (1.5 if len(calls) in {4, 8} else 1.0)  # one size slow in each of two rounds

    curve = measure(run, 16, clock=lambda: now)

    assert (
        calls == [1, 2, 4] * 3
    )  # the first round warms up, and two are enough where passes are slow
    assert [curve.seconds(rows) for rows in (1, 2, 4)] == [1.0, 2.0, 4.0]


def test_quick_passes_are_measured_often_since_others_may_hold_the_machine_for_a_while() -> None:
    now, calls = 0.0, list[int]()

    def run(rows: int) -> None:
        nonlocal now
        calls.append(rows)
        now += rows * (0.001 if len(calls) > 12 else 0.02)  # somebody else for three rounds

    curve = measure(run, 8, clock=lambda: now)

    assert len(calls) == 9 * 4
    assert curve.seconds(8) == pytest.approx(0.008)


def test_a_curve_of_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="no cost curve"):
        CostCurve({})
