"""The only home of transformers and peft: load a base, encode images, score, generate, adapt."""
