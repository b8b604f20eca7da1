from models.training.concepts import Concept, normal_code


def concept(label: str) -> Concept:
    return Concept("0", label, (), 1.0)


def test_slug_is_the_key_that_icon_sets_use() -> None:
    assert concept("jack-o\u2019-lantern").slug == "jack-o-lantern"
    assert concept("smiling face with open hands").slug == "smiling-face-with-open-hands"


def test_code_points_compare_without_variation_selectors() -> None:
    assert normal_code("2764-FE0F-200D-1F525") == "2764-200d-1f525"


def test_held_out_concepts_never_change() -> None:
    labels = ["banana", "penguin", "red apple", "octopus"]

    held_out = [label for label in labels if concept(label).is_held_out]

    assert held_out == ["banana", "penguin"]


def test_about_a_tenth_of_the_concepts_is_held_out() -> None:
    held_out = sum(concept(f"thing {i}").is_held_out for i in range(2000))

    assert 150 < held_out < 250
