"""An adapter as it is published."""

from pathlib import Path
from typing import Any

import pytest

from tests.zoo._carded import CARD


@pytest.fixture
def adapter(make_adapter: Any) -> Path:
    """A folder with a card and scores for the Hub beside the rest."""
    folder: Path = make_adapter()
    (folder / "README.md").write_text(CARD.format(variant="mdpo"))
    (folder / ".eval_results").mkdir()
    (folder / ".eval_results" / "phantom.yaml").write_text("[]\n")
    return folder
