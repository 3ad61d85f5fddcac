"""The pages mounted at `/` of the application, with Gradio's defaults changed for patient data.

What leaves the browser: the image as base64 text in a request's body, the question, the names of the
adapters. What stays here: the decoded image in the tray (memory, minutes, bounded); its key, question and
answers in Gradio's session memory until the browser has them, or for some minutes where its page was closed
before that (`sessions`). Gradio's routes that write files are closed; its folder for temporary files is made
anew for this process, open to its user alone, in memory where the machine has such a file system, and is
otherwise unused. Analytics, run history and error details are off.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from fastapi import FastAPI

from serving.annotations.desk import Desk
from serving.defence.origins import NO_TELEMETRY
from serving.pictures import Pictures
from serving.service import Service
from serving.ui.guard import Guard
from serving.ui.wording import Wording

SESSIONS = 200
"""Sessions that Gradio remembers at once; the oldest are forgotten first."""
WAITING = 64
"""Clicks that wait for their turn; more are told that the page is busy."""
_IN_MEMORY = Path("/dev/shm")


def mount_pages(
    app: FastAPI,
    service: Service,
    pictures: Pictures,
    *,
    desk: Desk | None = None,
    public: bool = False,
    framed_by: str = "",
) -> None:
    """Put the pages of this service at `/`, behind the routes that the application has already. `public`: the
    pages say that strangers may ask; `framed_by` is a site that may show them in a frame."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    _set_folder()
    import gradio as gr

    from serving.ui.hush import hush
    from serving.ui.sessions import forget_sessions
    from serving.ui.site import build_site
    from serving.ui.style import css, theme

    hush()
    blocks = build_site(service, pictures, desk=desk, public=public).queue(max_size=WAITING)
    blocks.state_session_capacity = SESSIONS
    wording = Wording(
        functions={number: len(one.inputs) for number, one in blocks.fns.items()},
        components=[number for number, one in blocks.blocks.items() if getattr(one, "server_fns", None)],
    )
    app.add_middleware(
        Guard, max_body=pictures.limits.body_bytes(images=1), wording=wording, framed_by=framed_by
    )
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
        app_kwargs={"telemetry": NO_TELEMETRY},
        favicon_path=str(Path(__file__).parent / "assets" / "icon.svg"),
    )
    forget_sessions(app, blocks)


def _set_folder() -> None:
    """A folder for Gradio that only this process's user can open, gone with the process."""
    if "GRADIO_TEMP_DIR" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="medzoo-", dir=_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None)
    os.environ["GRADIO_TEMP_DIR"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
