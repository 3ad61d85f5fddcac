"""The page `Results`: what the ratings of a list come to.

All of it is the script's, which asks `/v1/annotations`.
"""

import gradio as gr

from serving.ui.style import script


def build() -> None:
    """Fill the page."""
    gr.HTML(
        value="",
        html_template='<main class="mz-results" aria-live="polite"></main>',
        js_on_load=script("api.js", "results.js"),
        elem_id="mz-results",
    )
