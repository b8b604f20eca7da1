import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.prompts.weighting import MAX_WEIGHT, fragments


def read(prompt: str) -> list[tuple[str, float]]:
    return [(one.text, round(one.weight, 4)) for one in fragments(prompt)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red fox", [("a red fox", 1.0)]),
        ("a (red:1.3) fox", [("a ", 1.0), ("red", 1.3), (" fox", 1.0)]),
        ("a (red) fox", [("a ", 1.0), ("red", 1.1), (" fox", 1.0)]),
        ("((red))", [("red", 1.21)]),
        ("(a (red:2) fox:0.5)", [("a ", 0.5), ("red", 1.0), (" fox", 0.5)]),
        ("(red:.5)", [("red", 0.5)]),
        ("(red: 2 )", [("red", 2.0)]),
        ("(at 12:30 sharp)", [("at 12:30 sharp", 1.1)]),
        ("(red:0)", [("red", 0.0)]),
        (r"a \(red\) fox", [("a (red) fox", 1.0)]),
        (r"a \ fox", [("a \\ fox", 1.0)]),
        ("a (red fox", [("a (red fox", 1.0)]),
        ("a red) fox", [("a red) fox", 1.0)]),
        ("((red:1.5) fox", [("(", 1.0), ("red", 1.5), (" fox", 1.0)]),
        ("a:1.3", [("a:1.3", 1.0)]),
        ("()", []),
        ("", []),
        ("(red:1000000)", [("red", MAX_WEIGHT)]),
    ],
)
def test_what_counts_how_much(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert read(prompt) == expected


@given(st.text())
def test_a_prompt_without_brackets_is_itself(prompt: str) -> None:
    prompt = prompt.replace("(", "").replace(")", "").replace("\\", "")

    assert read(prompt) == ([(prompt, 1.0)] if prompt else [])


@given(st.text(alphabet="()\\:1.ab ", max_size=40))
def test_no_prompt_is_refused_and_no_letter_is_invented(prompt: str) -> None:
    found = fragments(prompt)

    assert all(0 <= one.weight <= MAX_WEIGHT for one in found)
    assert len("".join(one.text for one in found)) <= len(prompt)
