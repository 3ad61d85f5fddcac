"""The page mounted at `/` of the application, with Gradio's defaults changed for patient data.

What leaves the browser: the image as base64 text in a request's body, the question, the names of the
adapters. What stays here: the decoded image in the tray (memory, minutes, bounded), its key, question and
answers in Gradio's session memory until the session gives way to newer ones. Gradio's upload route, the
one that writes files, is closed; its folder for temporary files is put on a file system in memory where
the machine has one, and is otherwise unused. Analytics, run history and error details are off.
"""

import os
from pathlib import Path

from fastapi import FastAPI

from serving.service import Service
from serving.ui.guard import Guard
from zoo.images import Limits

SESSIONS = 200
"""Sessions that Gradio remembers; the oldest are forgotten first."""
_IN_MEMORY = Path("/dev/shm")


def mount_page(app: FastAPI, service: Service, limits: Limits) -> None:
    """Put the page of this service at `/`, behind the routes that the application has already."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    if os.access(_IN_MEMORY, os.W_OK):
        os.environ.setdefault("GRADIO_TEMP_DIR", str(_IN_MEMORY / f"medzoo-{os.getuid()}"))
    import gradio as gr

    from serving.ui.page import build_page
    from serving.ui.style import css, theme

    blocks = build_page(service, limits)
    blocks.state_session_capacity = SESSIONS
    app.add_middleware(Guard, max_body=limits.max_bytes * 4 // 3 + 64 * 1024)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme(),
        css=css(),
        run_history=False,
        show_error=False,
        ssr_mode=False,
        footer_links=[],
        enable_monitoring=False,
        mcp_server=False,
        favicon_path=str(Path(__file__).parent / "assets" / "icon.svg"),
    )
