"""Whatever is sent to any documented route, no answer is a server error.

Requests are made by schemathesis from the OpenAPI document that the gateway publishes.
"""

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case

from tests.e2e.people import sign_up
from tests.support.stack import RunningStack

# Enough to meet each field's limits and types; the same cases in every run.
FUZZ = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_no_request_breaks_a_service(cinelog: RunningStack) -> None:
    document = httpx.get(f"{cinelog.url}/docs/openapi.json", trust_env=False).json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 30
    for operation in operations:
        # Somebody new for each: one of the routes logs out, another deletes the account.
        with sign_up(cinelog.url) as person:
            fuzz(operation, cinelog.url, person.client.headers["authorization"])


def fuzz(operation: APIOperation, url: str, authorization: str) -> None:
    @FUZZ
    @given(case=operation.as_strategy())
    def send(case: Case) -> None:
        answer = case.call(base_url=url, headers={"authorization": authorization}, timeout=30)
        shown = f"{operation.label} {answer.status_code} {case.path_parameters} {case.body!r:.200}"
        assert answer.status_code < 500, shown
        media_type = (answer.headers.get("content-type") or [""])[0]
        described = media_type.startswith("application/json") and answer.content
        if answer.status_code >= 400 and described:
            problem = answer.json()
            assert problem["success"] is False, shown
            assert problem["error"]["code"] == answer.status_code, shown

    send()
