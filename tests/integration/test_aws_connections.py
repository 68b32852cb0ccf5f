"""How requests get to AWS: real botocore clients, and a service on this machine."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore import exceptions

from tests.integration.conftest import secrets_client
from tests.sandbox.http_server import Handler, serve, url_of
from webadmit_exports import aws_connections
from webadmit_exports.aws_connections import AwsConnections

SECRET = {"SecretString": "0123456789abcdef" * 4096, "ARN": "arn", "Name": "key"}  # more than one packet


@dataclass
class Service:
    """Secrets Manager, as far as it is needed; `answer` is what it does with a request."""

    answer: Callable[[Handler], None] = lambda handler: handler.answer(200, {}, json.dumps(SECRET).encode())
    url: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0

    def client(self, connections: AwsConnections, **settings: Any) -> Any:
        return secrets_client(self.url, connections, **settings)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Answers(Handler):
        def setup(self) -> None:
            super().setup()
            made.connections += 1

        def do_POST(self) -> None:
            body = self.read_body()
            made.requests.append(
                {**{name.lower(): value for name, value in self.headers.items()}, "body": body.decode()}
            )
            made.answer(self)

        do_GET = do_POST

    server = serve(Answers)
    made.url = url_of(server)
    yield made
    server.shutdown()
    server.server_close()


def ask(client: Any) -> str:
    return str(client.get_secret_value(SecretId="key")["SecretString"])


def test_what_botocore_has_signed_is_sent_and_the_answer_is_its_own(service: Service) -> None:
    assert ask(service.client(AwsConnections(), user_agent="webadmit-exports")) == SECRET["SecretString"]

    (request,) = service.requests
    assert json.loads(request["body"]) == {"SecretId": "key"}
    assert request["x-amz-target"] == "secretsmanager.GetSecretValue"
    assert request["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
    assert request["user-agent"].split()[0] == "webadmit-exports"  # Powertools adds itself


def test_an_error_of_the_service_is_what_botocore_makes_of_it(service: Service) -> None:
    refusal = json.dumps({"__type": "ResourceNotFoundException", "Message": "no such secret"}).encode()
    service.answer = lambda handler: handler.answer(400, {}, refusal)

    with pytest.raises(exceptions.ClientError, match=r"ResourceNotFoundException.*no such secret"):
        ask(service.client(AwsConnections()))


def test_a_connection_serves_all_clients_of_a_host_one_after_another(service: Service) -> None:
    connections = AwsConnections()
    one, other = service.client(connections), service.client(connections)

    for _ in range(3):
        ask(one)
        ask(other)

    assert (len(service.requests), service.connections) == (6, 1)


def test_a_connection_that_the_service_has_ended_meanwhile_is_replaced(service: Service) -> None:
    ended = threading.Event()

    def end(handler: Handler) -> None:
        handler.answer(200, {}, json.dumps(SECRET).encode())
        handler.drop()
        ended.set()

    client = service.client(AwsConnections())
    whole, service.answer = service.answer, end
    ask(client)
    assert ended.wait(10)
    service.answer = whole

    assert ask(client) == SECRET["SecretString"]
    assert service.connections == 2


def test_a_redirect_is_not_followed(service: Service) -> None:
    service.answer = lambda handler: handler.answer(307, {"Location": f"{service.url}/elsewhere"}, b"{}")

    with pytest.raises(exceptions.ClientError):
        ask(service.client(AwsConnections()))

    assert len(service.requests) == 1


def _half(handler: Handler) -> None:
    handler.answer(200, {"Content-Length": "4096"}, b'{"SecretString": ')
    handler.drop()


def _never(handler: Handler) -> None:
    time.sleep(0.3)
    handler.drop()


def _nonsense(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n")
    handler.drop()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_nonsense, exceptions.HTTPClientError),
        (Handler.drop, exceptions.ConnectionClosedError),
        (_half, exceptions.ConnectionClosedError),
        (_never, exceptions.ReadTimeoutError),
    ],
    ids=["with no meaning", "dropped", "cut off", "slow"],
)
def test_what_fails_on_the_way_has_the_name_that_botocore_gives_it(
    service: Service, answer: Callable[[Handler], None], error: type[Exception]
) -> None:
    service.answer = answer

    with pytest.raises(error):
        ask(service.client(AwsConnections(), read_timeout=0.1))

    assert len(service.requests) == 1


def test_a_service_that_cannot_be_reached_has_the_name_that_botocore_gives_it(service: Service) -> None:
    service.url = "http://127.0.0.1:9"

    with pytest.raises(exceptions.EndpointConnectionError):
        ask(service.client(AwsConnections()))


def test_botocore_tries_again_what_may_pass(service: Service) -> None:
    whole = service.answer

    def once_dropped(handler: Handler) -> None:
        service.answer = whole
        handler.drop()

    service.answer = once_dropped

    client = service.client(AwsConnections(), retries={"mode": "standard", "total_max_attempts": 2})

    assert ask(client) == SECRET["SecretString"]
    assert len(service.requests) == 2


def test_threads_share_few_connections(service: Service) -> None:
    client = service.client(AwsConnections())

    with ThreadPoolExecutor(16) as workers:
        answers = list(workers.map(lambda _: ask(client), range(64)))

    assert answers == [SECRET["SecretString"]] * 64
    assert service.connections <= 2


def test_nobody_waits_for_others_where_a_service_is_slow(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_connections, "_PATIENCE_SECONDS", 0.01)
    all_there, whole = threading.Barrier(8, timeout=10), service.answer

    def when_all_are_there(handler: Handler) -> None:
        all_there.wait()
        whole(handler)

    service.answer = when_all_are_there
    client = service.client(AwsConnections())

    with ThreadPoolExecutor(8) as workers:
        assert list(workers.map(lambda _: ask(client), range(8))) == [SECRET["SecretString"]] * 8
