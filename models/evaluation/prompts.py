"""The evaluation prompts: whole captions that training must never see."""

from pathlib import Path

PROMPTS = Path(__file__).with_name("prompts.txt")


def read_prompts() -> list[str]:
    """One prompt a line."""
    return PROMPTS.read_text().splitlines()


def seen_in_training(prompts: list[str], captions: list[str]) -> list[str]:
    """The prompts that are, but for upper case, training captions."""
    seen = {caption.lower() for caption in captions}
    return [prompt for prompt in prompts if prompt.lower() in seen]
