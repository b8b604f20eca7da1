"""Every answer names its request."""

import pytest

from tests.app.front_end import FrontEnd


def test_a_request_without_a_name_gets_one_of_its_own(front_end: FrontEnd) -> None:
    first, second = (front_end.http.get("/healthz").headers["x-request-id"] for _ in range(2))

    assert first
    assert second
    assert first != second


def test_the_clients_own_name_comes_back_on_refusals_too(front_end: FrontEnd) -> None:
    answer = front_end.http.get("/nowhere", headers={"X-Request-Id": "load-balancer/17"})

    assert answer.status_code == 404
    assert answer.headers["x-request-id"] == "load-balancer/17"


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, "line\tline"])
def test_a_name_that_could_spoil_a_log_is_not_taken_over(front_end: FrontEnd, name: str) -> None:
    answer = front_end.http.get("/healthz", headers={"X-Request-Id": name})

    assert answer.headers["x-request-id"] != name
