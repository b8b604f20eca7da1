"""Prompts to text states: weights in brackets, prompts of any length, and a bounded cache."""
