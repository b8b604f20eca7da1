"""What a picture says of how it was made: written by the worker, read back by the front end."""

from importlib.metadata import version

TOOL = f"Darkroom {version('darkroom')}"
