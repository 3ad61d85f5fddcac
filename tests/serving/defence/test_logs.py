"""The two forms of a line of the log."""

import json
import logging
import re
import sys

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.core.origin import Origin, on_behalf
from serving.defence.logs import AsJson, PlaceOnly, RequestLog
from serving.defence.origins import Originated

TEXT = PlaceOnly("%(levelname)s %(name)s %(message)s")


def record(**more):
    try:
        raise KeyError("quotes the question")
    except KeyError:
        more["exc_info"] = sys.exc_info() if more.pop("failed", False) else None
    return logging.makeLogRecord(
        {"name": "serving.x", "levelname": "ERROR", "msg": "it %s", "args": ("broke",), **more}
    )


def test_a_line_of_text_names_the_request_that_it_is_about():
    assert TEXT.format(record()) == "ERROR serving.x it broke"
    with on_behalf(Origin(request="abc")):
        assert TEXT.format(record()) == "ERROR serving.x [abc] it broke"


def test_a_line_of_json_holds_an_error_by_type_and_place():
    with on_behalf(Origin(request="abc")):
        line = json.loads(AsJson().format(record(created=0.25, failed=True)))
    error = line.pop("error")
    assert line == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "ERROR",
        "logger": "serving.x",
        "message": "it broke",
        "request": "abc",
    }
    assert re.fullmatch(r"KeyError\n  \S+test_logs.py:\d+", error)


@pytest.mark.parametrize("form", [TEXT, AsJson()])
def test_a_request_is_one_line_in_either_form(form):
    app, lines = FastAPI(), []

    @app.get("/v1/{name}")
    def found(name: str) -> str:
        return name

    class Kept(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    app.add_middleware(RequestLog)
    app.add_middleware(Originated)
    log, kept = logging.getLogger("medzoo.requests"), Kept()
    kept.setFormatter(form)
    log.addHandler(kept)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        reply = TestClient(app).get("/v1/Jane?born=1970")
    finally:
        log.removeHandler(kept)
        log.setLevel(level)
    (line,) = lines
    told = json.loads(line[line.index("{") :])
    assert told.pop("ms") > 0
    assert told.pop("id" if form is TEXT else "request") == reply.headers["x-request-id"]
    for name in ("time", "level", "logger", "message"):
        told.pop(name, None)
    assert told == {"method": "GET", "route": "/v1/{name}", "client": "", "status": 200, "adapters": ""}
