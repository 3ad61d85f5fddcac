"""Predict once (needs a model), score for ever (needs none)."""
