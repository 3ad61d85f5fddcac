"""Requests made up from the OpenAPI document: the server keeps to its document, whatever it is sent."""

import base64

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from serving.app import build_app
from serving.defence.callers import Callers
from serving.defence.keys import KeyFile, add_key, new_key
from serving.defence.pace import Pace, Quota
from serving.defence.wall import Defence
from tests.serving.rest._rating import SaidBy, open_desk, open_list
from zoo.errors import HubError, HubUnreachable

SERVER_ERRORS = {502, 503, 504}
"""What the document allows: the Hub failed, or does not answer, or it took too long."""
CHECKED = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
EXAMPLES = {"up": 40, "failing": 10, "down": 10}
"""Requests of each kind to each operation, by the Hub."""
HUBS = {"up": None, "failing": HubError("it answered 418"), "down": HubUnreachable("it does not answer")}
NAMES = ("base", "mdpo", "sft", "local/mdpo", "local/mdpo@" + "2" * 40, "local/other", "nobody", "x/y", "@")
"""What an adapter may be called: known, of another base, unknown, none at all."""
OPTIONAL = (
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "stream",
    "stream_options",
)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
IMAGE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
ASKING = ("POST /v1/chat/completions", "POST /v1/compare")
REACHED = {
    "up": {(one, status) for one in ASKING for status in (200, 404, 422)},
    "failing": {(one, 502) for one in ASKING},
    "down": {(one, 200) for one in ASKING},  # by the commits last known
}
"""What must have been reached, or the requests were not deep enough."""


@pytest.mark.parametrize("hub", HUBS)
def test_whatever_is_sent_the_server_keeps_to_its_document(hub, make_rig, tmp_path):
    rig = make_rig()
    rig.hub.down = HUBS[hub]
    token, key = new_key("ana", "admin")
    add_key(tmp_path / "keys", key)
    keys = KeyFile(tmp_path / "keys")
    pace = Pace(Quota(per_minute=10**6, burst=10**6, at_once=9))
    app = build_app(rig.service, defence=Defence(callers=Callers(keys=keys), pace=pace))
    headers = {"Authorization": f"Bearer {token}"}
    document = schemathesis.openapi.from_asgi("/openapi.json", app, headers=headers)
    operations = [one.ok() for one in document.get_all_operations()]
    assert {one.label for one in operations} > set(ASKING)
    statuses = set()
    for operation in operations:
        takes = any(operation.iter_parameters()) or len(operation.body)
        fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        kinds = [fitting, _meaningful(fitting), *operation.get_strategies_from_examples()]
        if takes:
            kinds.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        for cases in kinds:
            statuses.update((operation.label, status) for status in _send(cases, headers, EXAMPLES[hub]))
    assert statuses >= REACHED[hub], statuses


@st.composite
def _meaningful(draw, fitting):
    """Requests that fit the document, whose images are images and whose adapters mostly exist, so that what
    lies behind the form is reached too."""
    case = draw(fitting)
    body = case.body
    if isinstance(body, dict):
        name = st.sampled_from(NAMES)
        if "images" in body:
            body |= {"images": [IMAGE], "adapters": draw(st.lists(name, min_size=1, max_size=3))}
        elif "adapters" in body:
            body |= {"image": PNG, "adapters": draw(st.lists(name, min_size=1, max_size=3))}
        if "messages" in body:
            content = [{"type": "image_url", "image_url": {"url": IMAGE}}, {"type": "text", "text": "What?"}]
            body |= {"model": draw(name), "messages": [{"role": "user", "content": content}]}
        if "lora_path" in body:
            body |= {"lora_path": draw(name)}
        left_out = st.just(OPTIONAL) | st.sets(st.sampled_from(OPTIONAL))
        for key in draw(left_out):
            body.pop(key, None)
    return case


def _send(cases, headers, count):
    """Send many; the statuses that came."""
    statuses = set()

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def send(case):
        reply = case.call(headers=headers)
        statuses.add(reply.status_code)
        assert reply.status_code < 500 or reply.status_code in SERVER_ERRORS, (
            case.as_curl_command(),
            reply.text,
        )
        case.validate_response(reply, checks=CHECKED, headers=headers)

    send()
    return statuses


schemathesis.serializer.alias("application/zip", "application/octet-stream")
RATING = {
    "get_/v1/annotations/lists": 200,
    "get_/v1/annotations/me": 200,
    "post_/v1/annotations/lists": 422,
    "post_/v1/annotations/cases/{id}/clicks": 422,
    "post_/v1/annotations/me/password": 403,
}


@pytest.mark.parametrize("who", ["root", "ana"])
def test_whatever_is_sent_to_the_routes_of_ratings_they_keep_to_the_document(who, make_rig, tmp_path):
    desk = open_desk(tmp_path / "ratings.db")
    ours = open_list(desk, count=2, raters=("ben", "ana"))
    app = build_app(make_rig().service, page=False, desk=desk)
    headers = {"x-who": who}
    document = schemathesis.openapi.from_asgi("/openapi.json", SaidBy(app), headers=headers)
    statuses = set()
    for operation in (one.ok() for one in document.get_all_operations()):
        if not operation.path.startswith("/v1/annotations") or operation.path.endswith("/publish"):
            continue
        label = f"{operation.method}_{operation.path}"
        fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        kinds = [_known(fitting, ours.id)]
        if any(operation.iter_parameters()) or len(operation.body):
            kinds.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        for cases in kinds:
            statuses.update((label, status) for status in _send(cases, headers, 10))
    desk.close()
    assert statuses >= {(label, status) for label, status in RATING.items() if who == "root"}, statuses


@st.composite
def _known(draw, fitting, work_list):
    """Requests about a list and cases that there are."""
    case = draw(fitting)
    if "id" in case.path_parameters:
        known = work_list if "/lists/" in case.path else draw(st.sampled_from([1, 2, 3]))
        case.path_parameters["id"] = known
    return case
