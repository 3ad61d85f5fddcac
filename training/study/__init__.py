"""The phantom study: every variant, several seeds, rates chosen on validation, compared on one test set."""
