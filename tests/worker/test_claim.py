import pytest

from worker.claim import AGEING, Claim


def ranked(**claims: Claim) -> list[str]:
    """Names in the order they would be served at t = 10 if a row took a second."""
    return sorted(claims, key=lambda name: claims[name].rank(10.0, 1.0))


def test_the_least_work_left_goes_first() -> None:
    assert ranked(long=Claim(9, work_left=50), short=Claim(9, work_left=4)) == ["short", "long"]


def test_priority_weighs_the_work() -> None:
    claims = {
        "low": Claim(9, weight=0.25, work_left=10),
        "normal": Claim(9, work_left=10),
        "high": Claim(9, weight=4, work_left=35),
    }

    assert ranked(**claims) == ["high", "normal", "low"]


def test_whoever_has_waited_ten_times_its_work_goes_before_any_newcomer() -> None:
    newcomer = Claim(10, work_left=1e-6)
    waited = Claim(10 - 20 / AGEING - 1, work_left=20)
    not_so_long = Claim(10 - 20 / AGEING + 1, work_left=20)

    assert ranked(newcomer=newcomer, waited=waited) == ["waited", "newcomer"]
    assert ranked(newcomer=newcomer, not_so_long=not_so_long) == ["newcomer", "not_so_long"]


def test_a_deadline_hastens_only_once_it_is_near_and_no_longer_when_it_cannot_be_kept() -> None:
    def rank(deadline_at: float | None) -> float:
        return Claim(10, deadline_at=deadline_at, work_left=20).rank(10.0, 1.0)

    assert rank(None) == rank(1_000) == rank(10 + 2 * 20) == 20
    assert rank(10 + 20 + 5) == pytest.approx(5)
    assert rank(10 + 20 + 0.001) == pytest.approx(0.2)
    assert rank(10 + 19) == 20
