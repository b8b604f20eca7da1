"""`python -m worker.bench`: our engine beside stock diffusers, same weights, same run."""
