"""What Gradio remembers of a session, let go of as soon as the browser has it.

A session of Gradio holds the last value of every component: the question, the answers as HTML. The page
needs none of it again, for the browser sends all values with each click; and a session that comes back is
made anew. So it goes when the stream ends that brought the events to the browser (all are told, or the page
was closed), and where no stream ends, after `IDLE_S`. One with an event that waits or runs stays.

Knows Gradio's queue and state holder from within; nothing of what the page asks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import gradio as gr
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.core.keeping import LOOKS

IDLE_S = 600.0
"""A session that has had no event for so long goes, at most a `LOOKS`th of it later; as long as a picture
stays in the tray."""
_STREAM = "/gradio_api/queue/data"


class Sessions:
    """The sessions of some pages; all of it runs in the event loop, as Gradio's own queue does."""

    def __init__(self, blocks: gr.Blocks) -> None:
        self._blocks = blocks

    def ended(self, session: str) -> None:
        """Its stream has ended; what still has to be told, or is made, stays."""
        told = not self._blocks._queue.pending_event_ids_session.get(session)
        if told and session not in self._busy():
            self._forget(session)

    def sweep(self) -> None:
        """Let go of all that are idle for too long."""
        holder, busy = self._blocks.state_holder, self._busy()
        since = datetime.now() - timedelta(seconds=IDLE_S)  # the holder's clock
        for session, last in list(holder.time_last_used.items()):
            if last <= since and session not in busy:
                self._forget(session)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(IDLE_S / LOOKS)
            self.sweep()

    def _busy(self) -> set[str]:
        queue = self._blocks._queue
        waiting = [event for one in queue.event_queue_per_concurrency_id.values() for event in one.queue]
        running = [event for job in queue.active_jobs if job for event in job]
        return {event.session_hash for event in (*waiting, *running)}

    def _forget(self, session: str) -> None:
        """Its values, and messages that no browser fetched."""
        holder, queue = self._blocks.state_holder, self._blocks._queue
        with holder.lock:
            holder.session_data.pop(session, None)
            holder.time_last_used.pop(session, None)
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)


class StreamEnds:
    """Tells the sessions of each stream that ended, however it did."""

    def __init__(self, app: ASGIApp, *, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "http" and scope["path"] == _STREAM:
                for session in parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", []):
                    self._sessions.ended(session)


def forget_sessions(app: FastAPI, blocks: gr.Blocks) -> None:
    """Have the sessions of these pages forgotten while the application is served."""
    sessions = Sessions(blocks)
    app.add_middleware(StreamEnds, sessions=sessions)
    served = app.router.lifespan_context

    @asynccontextmanager
    async def sweeping(app: FastAPI) -> AsyncIterator[object]:
        async with served(app) as state:
            task = asyncio.create_task(sessions.run())
            try:
                yield state
            finally:
                task.cancel()

    app.router.lifespan_context = sweeping  # type: ignore[assignment]
