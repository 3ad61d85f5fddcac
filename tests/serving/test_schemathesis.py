"""Requests made up from the OpenAPI document: the server keeps to its document, whatever it is sent."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from serving.app import build_app
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
EXAMPLES = 30
"""Requests of each kind, fitting the document and not, to each operation with each Hub."""
HUBS = {"up": None, "failing": HubError("it answered 418"), "down": HubUnreachable("it does not answer")}


@pytest.mark.parametrize("hub", HUBS)
def test_whatever_is_sent_the_server_keeps_to_its_document(hub, make_rig):
    rig = make_rig()
    rig.hub.down = HUBS[hub]
    document = schemathesis.openapi.from_asgi("/openapi.json", build_app(rig.service, page=False))
    operations = [one.ok() for one in document.get_all_operations()]
    assert {one.label for one in operations} > {"POST /v1/chat/completions", "POST /v1/compare"}
    for operation in operations:
        takes = any(operation.iter_parameters()) or len(operation.body)
        modes = GenerationMode if takes else (GenerationMode.POSITIVE,)
        made_up = [operation.as_strategy(generation_mode=mode) for mode in modes]
        for cases in [*operation.get_strategies_from_examples(), *made_up]:
            _send(cases)


def _send(cases):
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def send(case):
        reply = case.call()
        assert reply.status_code < 500 or reply.status_code in SERVER_ERRORS, (
            case.as_curl_command(),
            reply.text,
        )
        case.validate_response(reply, checks=CHECKED)

    send()
