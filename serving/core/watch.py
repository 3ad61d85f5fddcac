"""What the engine tells whoever measures it. This one does not listen; `serving.metrics` counts."""


class Watch:
    """Called from any thread, many times a second: be quick. No call carries a text, an image or a name
    that a client chose."""

    def queue(self, rows: int) -> None:
        """So many rows wait now."""

    def batch(self, rows: int) -> None:
        """A batch of so many rows has begun."""

    def step(self, tokens: int, seconds: float) -> None:
        """One step gave so many tokens."""

    def first_token(self, seconds: float) -> None:
        """A comparison's first token came so long after its submission."""

    def loaded(self, seconds: float) -> None:
        """An adapter was checked and loaded."""

    def evicted(self) -> None:
        """A slot was given up for another adapter."""

    def resident(self, adapters: int) -> None:
        """So many slots are filled now."""

    def failed(self, reason: str) -> None:
        """Something ended with an error; `reason` is the error's type."""
