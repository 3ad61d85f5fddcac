"""One metric a function: a prediction in, a value from 0 to 1 out."""
