from models.evaluation.prompts import read_prompts, seen_in_training


def test_there_are_48_different_prompts() -> None:
    prompts = read_prompts()

    assert len(set(prompts)) == len(prompts) == 48


def test_a_prompt_that_was_a_caption_is_found_whatever_its_case() -> None:
    assert seen_in_training(["a Cat", "a dog"], ["a cat", "a dog on grass"]) == ["a Cat"]
