"""The only home of transformers and peft: load a base, encode images, score, generate, adapt."""

import logging

# peft imports bitsandbytes, which warns of an optional kernel for 4-bit weights that nothing here uses.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
