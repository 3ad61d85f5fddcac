"""The page `Work lists`: an administrator's lists: upload, assign, progress, close.

All of it is the script's, which asks `/v1/annotations`.
"""

import gradio as gr

from serving.ui.style import script


def build() -> None:
    """Fill the page."""
    gr.HTML(
        value="",
        html_template='<main class="mz-lists" aria-live="polite"></main>',
        js_on_load=script("api.js", "lists.js"),
        elem_id="mz-lists",
    )
