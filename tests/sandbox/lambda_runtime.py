"""Runs a function as Lambda does: under AWS's runtime client, one invocation at a time in a process, with its own role.

Each process gets a server of its own, which is the runtime API to it, and AWS: calls to AWS go on to moto, and on their
way they can be counted, and be made to fail.
"""

import contextlib
import fcntl
import http.client
import json
import os
import queue
import re
import select
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .http_server import Handler, serve, url_of
from .package import Package


class RuntimeClientMissing(RuntimeError):
    """AWS's runtime client cannot run here."""


def check_runtime_client() -> None:
    """Raises RuntimeClientMissing, with a sentence for a person, where the sandbox cannot run."""
    if sys.platform != "linux":
        raise RuntimeClientMissing(
            "The sandbox runs the functions under AWS's Lambda runtime client, which has ready-made packages for Linux"
            " only: use Linux, WSL or a Linux container."
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class AwsCall:
    """A call to AWS that a function makes, such as `dynamodb`, `PutItem`; `body` is the request as it was sent."""

    function: str
    service: str
    action: str
    body: bytes


class Kill(Exception):
    """Raised by an interceptor: the function's process dies here."""


class Drop(Exception):
    """Raised by an interceptor: the connection ends without an answer."""


# Gets the call, and what sends it on to AWS; answers what the function shall see.
Interceptor = Callable[[AwsCall, Callable[[], Answer]], Answer]


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of an invocation: the function's answer, or its error (`errorType`, `errorMessage`)."""

    payload: Any
    failed: bool


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a role gives to a process."""

    access_key: str
    secret_key: str
    token: str


@dataclass(slots=True)
class LambdaFunction:
    """One function; `configuration` is what Lambda's GetFunctionConfiguration says of it."""

    configuration: Mapping[str, Any]
    credentials: Credentials
    package: Package
    aws_url: str
    region: str
    max_instances: int = 8
    log: list[str] = field(default_factory=list)
    calls: list[AwsCall] = field(default_factory=list)
    connections: int = 0  # that its processes have opened to AWS
    interceptor: Interceptor | None = None
    extra_environment: dict[str, str] = field(default_factory=dict)
    _idle: "queue.LifoQueue[Instance]" = field(default_factory=queue.LifoQueue)
    _instances: list["Instance"] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return str(self.configuration["FunctionName"])

    def invoke(self, event: Any, *, timeout: float | None = None) -> Invocation:
        """Invokes the function, in a process that is idle or new; `timeout` in seconds replaces the template's."""
        instance = self._take()
        result = instance.invoke(event, timeout or float(self.configuration["Timeout"]))
        if instance.is_alive:
            self._idle.put(instance)
        else:
            self._forget(instance)
        return result

    def peak_memory(self) -> float:
        """The most that one of its processes has held in memory, in MiB."""
        return max(instance.peak_memory() for instance in self._instances)

    def cpu_seconds(self) -> float:
        """The CPU time of its processes so far."""
        return sum(instance.cpu_seconds() for instance in self._instances)

    def begin(self) -> "Instance":
        """Starts a process and gives it away: whoever begins it stops it."""
        return Instance(self)

    def stop(self) -> None:
        """Ends all processes; the next invocation starts a new one."""
        with self._lock:
            instances, self._instances = self._instances, []
            self._idle = queue.LifoQueue()
        for instance in instances:
            instance.stop()

    def _take(self) -> "Instance":
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        with self._lock:
            if len(self._instances) < self.max_instances:
                instance = Instance(self)
                self._instances.append(instance)
                return instance
        return self._idle.get()

    def _forget(self, instance: "Instance") -> None:
        instance.stop()
        with self._lock:
            if instance in self._instances:
                self._instances.remove(instance)

    def environment(self, runtime_url: str) -> dict[str, str]:
        """What Lambda gives to the process, and the template's own; AWS itself is where the sandbox says."""
        variables = self.configuration.get("Environment", {}).get("Variables", {})
        return {
            **{name: str(value) for name, value in variables.items()},  # moto leaves Number parameters as numbers
            "PATH": os.environ.get("PATH", ""),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": f"{self.package.task}{os.pathsep}{self.package.runtime}",
            "LAMBDA_TASK_ROOT": str(self.package.task),
            "_HANDLER": self.configuration["Handler"],
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.configuration["MemorySize"]),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "sandbox",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.configuration['Runtime']}",
            "AWS_ACCESS_KEY_ID": self.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_key,
            "AWS_SESSION_TOKEN": self.credentials.token,
            "AWS_LAMBDA_RUNTIME_API": runtime_url.removeprefix("http://"),
            "AWS_ENDPOINT_URL": runtime_url,
            **self.extra_environment,
        }


class Instance:
    """One process, and the server that it talks to."""

    def __init__(self, function: LambdaFunction) -> None:
        self.function = function
        self._events: queue.Queue[tuple[str, str, float] | None] = queue.Queue()
        self._result: Future[Invocation] = Future()
        self._asks = threading.Semaphore(0)
        self._server = serve(type("_BoundHandler", (_RuntimeHandler,), {"instance": self}))
        url = url_of(self._server)
        self._process = subprocess.Popen(
            # -S: nothing but what Lambda has, not the packages of the tests
            [sys.executable, "-s", "-S", "-m", "awslambdaric", function.configuration["Handler"]],
            cwd=function.package.task,
            env=function.environment(url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is the sandbox's to handle
        )
        assert self._process.stdout
        self._output = self._process.stdout.fileno()
        self._reading = threading.Lock()
        self._follower = threading.Thread(target=self._follow, daemon=True)
        self._follower.start()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def invoke(self, event: Any, timeout: float) -> Invocation:
        self._result = Future()
        if not self.is_alive:
            return _failure("Runtime.ExitError", "the process ended before the invocation")
        self._events.put((str(uuid.uuid4()), json.dumps(event), time.time() + timeout))
        try:
            return self._result.result(timeout)
        except TimeoutError:
            self.kill()
            return _failure("Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds")

    def next_event(self) -> tuple[str, str, float] | None:
        self._asks.release()
        return self._events.get()

    def wait_until_idle(self) -> None:
        """Returns when the process asks for an event: once after its start, and once after each invocation."""
        self._asks.acquire()

    def finish(self, result: Invocation) -> None:
        with contextlib.suppress(InvalidStateError):  # it had timed out
            self._result.set_result(result)

    def peak_memory(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def cpu_seconds(self) -> float:
        # Linux's clock of another process, with all its threads: clock_getcpuclockid(3) makes the number like this.
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self.is_alive:
            self.kill()
        self._follower.join()
        assert self._process.stdout
        self._process.stdout.close()
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def wait_for_log(self) -> None:
        """Returns when all that the process has written is in the log."""
        while True:
            with self._reading:
                if not int.from_bytes(fcntl.ioctl(self._output, termios.FIONREAD, bytes(4)), sys.byteorder):
                    return
            time.sleep(0.001)

    def _follow(self) -> None:
        """Collects what the process writes, until it ends."""
        unfinished = b""
        while select.select([self._output], [], []):
            with self._reading:
                if not (read := os.read(self._output, 65536)):
                    break
                *lines, unfinished = (unfinished + read).split(b"\n")
                self.function.log += [line.decode("utf-8", errors="replace") for line in lines]
        self._process.wait()
        self.finish(_failure("Runtime.ExitError", f"the process ended with {self._process.returncode}"))


def _failure(error_type: str, message: str) -> Invocation:
    return Invocation({"errorType": error_type, "errorMessage": message}, failed=True)


_RUNTIME = "/2018-06-01/runtime/"


class _RuntimeHandler(Handler):
    """One connection of the process: to the runtime API, or to AWS."""

    instance: Instance
    _is_counted = False

    def do_GET(self) -> None:
        if self.path != f"{_RUNTIME}invocation/next":
            return self._aws()
        event = self.instance.next_event()
        if event is None:
            return self.drop()
        request_id, body, deadline = event
        function = self.instance.function
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function.configuration["FunctionArn"],
            "Content-Type": "application/json",
        }
        return self.answer(200, headers, body.encode())

    def do_POST(self) -> None:
        if not self.path.startswith(_RUNTIME):
            return self._aws()
        body = self.read_body()
        self.instance.wait_for_log()
        self.answer(202, {}, b"")
        payload = json.loads(body or b"null")
        return self.instance.finish(Invocation(payload, failed=self.path.endswith("/error")))

    def _aws(self) -> None:
        body, function = self.read_body(), self.instance.function
        service, action = self._operation(body)
        is_part = service == "s3" and "partNumber=" in action
        call = AwsCall(function.name, service, action, b"" if is_part else body)  # gigabytes are not kept
        function.calls.append(call)
        function.connections += not self._is_counted
        self._is_counted = True

        def forward() -> Answer:
            return self._forward(body)

        try:
            answer = function.interceptor(call, forward) if function.interceptor else forward()
        except Kill:
            self.instance.kill()
            return self.drop()
        except Drop:
            return self.drop()
        return self.answer(answer.status, answer.headers, answer.body)

    def _operation(self, body: bytes) -> tuple[str, str]:
        """The service that the request was signed for, and the action, where AWS's protocols have it."""
        scope = re.search(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", self.headers.get("Authorization", ""))
        target = self.headers.get("X-Amz-Target", "")
        form = re.search(rb"(?:^|&)Action=(\w+)", body)
        action = target.rpartition(".")[2] or (form[1].decode() if form else f"{self.command} {self.path}")
        return (scope[1] if scope else "", action)

    def _forward(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self.instance.function.aws_url.removeprefix("http://"))
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # all of them, Host too: the signature covers them
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            dropped = ["connection"] if self.command == "HEAD" else ["connection", "content-length"]
            kept = {k: v for k, v in response.getheaders() if k.lower() not in dropped}
            return Answer(response.status, kept, response.read())
        finally:
            connection.close()

    do_PUT = do_DELETE = do_HEAD = do_PATCH = do_GET
