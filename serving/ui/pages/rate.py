"""The page `Rate`: cases that are assigned to whoever is signed in, blind.

All of it is the script's, which asks `/v1/annotations`.
"""

import gradio as gr

from serving.ui.style import script


def build() -> None:
    """Fill the page."""
    gr.HTML(
        value="",
        html_template='<main class="mz-rate" aria-live="polite"></main>',
        js_on_load=script("api.js", "rate.js"),
        elem_id="mz-rate",
    )
