"""Progress bars of the libraries below: shown where someone waits for a large base, else in nobody's way."""

import sys


def hide_bars(base: str) -> None:
    """No bars from here on, unless stderr is a terminal and the base is one that may have to be downloaded.

    Call it before transformers is imported, which goes by what the Hub's library does. Whoever set
    HF_HUB_DISABLE_PROGRESS_BARS has decided already.

    Raises:
        UnknownName: there is no such base.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils.tqdm import disable_progress_bars

    from zoo.bases import get_base

    small = get_base(base).folder is not None
    if constants.HF_HUB_DISABLE_PROGRESS_BARS is None and (small or not sys.stderr.isatty()):
        disable_progress_bars()
