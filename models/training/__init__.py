"""The road from packaged drawings to the default weights. `python -m models.training --help`."""
