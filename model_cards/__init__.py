"""Cards: an adapter's manifest in, its README.md and .eval_results out. Knows no torch and no training."""
