"""Short words for putting questions to an engine."""

from collections.abc import Callable
from typing import Any

import pytest

from serving.core.engine import OnDisk, Work
from tests.serving._brought import brought
from zoo.asking import Piece, Sampling
from zoo.asking import question as turns


class Asker:
    """Asks the engine of a rig about one image."""

    def __init__(self, image: Any) -> None:
        self.image = image

    def adapters(self, rig: Any, *names: str) -> tuple[OnDisk | None, ...]:
        """The adapters of these variants; `base` is none."""
        library = rig.library
        return tuple(None if name == "base" else brought(library, f"local/{name}").adapter for name in names)

    def __call__(
        self,
        rig: Any,
        *names: str,
        question: str = "Q",
        on_piece: Callable[[Piece], None] | None = None,
        image: Any = None,
        **work: Any,
    ) -> Any:
        """The ticket of a comparison."""
        wanted = Work(
            images=(image or self.image,),
            turns=turns(question),
            adapters=self.adapters(rig, *names),
            **({"sampling": Sampling()} | work),
        )
        return rig.engine.submit(wanted, on_piece)

    def users(self, rig: Any) -> dict[str, int]:
        """Of each adapter in a slot."""
        return {one.load.adapter.repo.split("/")[1]: one.users for one in rig.registry.occupied().values()}


@pytest.fixture
def ask(image: Any) -> Asker:
    return Asker(image)
