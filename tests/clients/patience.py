"""How long the tests of clients wait: for a machine with a lot to do, not for a slow service."""

PATIENCE_S = 300
LONG_STEPS = 150  # a job that is still being drawn when it is looked for
