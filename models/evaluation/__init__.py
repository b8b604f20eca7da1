"""How good the default model is: prompts it has never seen, and a sheet of all it made of them."""
