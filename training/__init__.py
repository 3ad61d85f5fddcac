"""How adapters are made: variants, objectives, pairs, the training loop, publishing."""
