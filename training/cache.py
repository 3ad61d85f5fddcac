"""The reference's part, made once: log-probs of responses, and hidden states where a term reads the whole
vocabulary. Keyed by what decides them, so every variant and epoch that asks the same finds the same.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from zoo.vlm.store import Tensors, TensorStore


class ReferenceCache:
    """What one reference said: the base as it is loaded, or an adapter on it."""

    def __init__(self, store: TensorStore, reference: str) -> None:
        """`reference` names all that decides what is said: the base, its precision and eyes, the adapter."""
        self._store, self._reference = store, reference

    def key(
        self, images: Sequence[str], prompt: str, response: str | None, positions: Sequence[int] = ()
    ) -> str:
        """The name of a response's log-probs under images (their sha256) and a prompt, or of its hidden
        states at some positions."""
        text = json.dumps([self._reference, list(images), prompt, response, list(positions)])
        return f"reference {hashlib.sha256(text.encode()).hexdigest()}"

    def get(self, key: str) -> Tensors | None:
        """`logps` (tokens,), or `hidden` (positions, hidden); on the CPU."""
        return self._store.get(key)

    def put(self, found: Mapping[str, Tensors]) -> None:
        """Keep what fits of what the reference said."""
        self._store.put(found)
