"""One request and its answer: what was done is kept here, for the log line and the metrics at its end."""

import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.types import Receive, Scope, Send

from guard.errors import AuditUnavailable
from guard.ports import Occasion, Recorder
from guard.server.apis import Api
from guard.server.apis.chat import CHAT
from guard.server.routes import OTHER
from guard.server.wire import Answer, verdict_headers
from guard.tracing import Trace
from guard.types import Decision, Mode, Pair

# What was done with a request, where no decision says so: label values of `guard_requests_total`.
FORWARDED, REJECTED, LEFT = "forward", "reject", "left"


@dataclass(slots=True)
class Exchange:
    """A request on its way through Guard. Doors answer through `answer`, or `start`, `send_part` and `finish`."""

    scope: Scope
    receive: Receive
    send: Send
    began: float = field(default_factory=time.perf_counter)
    route: str = OTHER
    api: Api = CHAT  # in whose shape Guard speaks to this client
    decision: Decision | None = None
    action: str = REJECTED
    code: str | None = None  # first error code
    status: int | None = None
    body_bytes: int = 0
    body_read: float | None = None  # when the body was complete
    added_s: float | None = None  # what the client waited for Guard
    upstream_s: float | None = None  # until the head of the upstream's answer
    upstream: int | str | None = None  # its status, or the code of its failure
    is_finished: bool = False
    recorder: Recorder | None = None  # None: nothing is remembered
    tenant: str = ""
    mode: Mode = Mode.ENFORCE
    trace: Trace | None = None  # None: nothing is traced
    _own_id: str | None = None

    @property
    def id(self) -> str:
        """The id of the decision; before there is one, or without one, an id of the exchange's own."""
        if self.decision is not None:
            return self.decision.id
        if self._own_id is None:
            self._own_id = os.urandom(16).hex()
        return self._own_id

    @property
    def method(self) -> str:
        """HTTP method."""
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """The path below the place where the application is mounted, percent-decoded once."""
        return str(self.scope["path"]).removeprefix(self.scope.get("root_path", ""))

    def header(self, name: bytes) -> str:
        """Return a request header by its lower-case name, "" if absent; of repeated ones, all joined by commas."""
        values = [value for key, value in self.scope["headers"] if key == name]
        return b",".join(values).decode("latin-1")

    def decide(self, decision: Decision) -> None:
        """Keep the decision about this request."""
        self.decision = decision
        self.action = decision.action.value
        self.code = self.code or decision.code

    async def keep(
        self, decision: Decision, pairs: Sequence[Pair] = (), document: Mapping[str, Any] | None = None
    ) -> None:
        """Have a decision remembered, before it is acted upon.

        Args:
            decision: about this request, a part of it, or its answer.
            pairs: what was judged.
            document: the request.

        Raises:
            AuditUnavailable: it cannot be, and nothing may pass that is not. No decision stands any more.
        """
        if self.recorder is None:
            return
        kept = self.recorder.record(decision, self._occasion(pairs, document))
        if kept is None:
            return
        try:
            await kept
        except AuditUnavailable:
            self.decision, self.action = None, REJECTED
            raise

    def keep_late(self, decision: Decision, document: Mapping[str, Any] | None = None) -> None:
        """Have a decision remembered that was acted upon already."""
        if self.recorder is not None:
            self.recorder.record_late(decision, self._occasion((), document))

    def _occasion(self, pairs: Sequence[Pair], document: Mapping[str, Any] | None) -> Occasion:
        return Occasion(self.route, self.tenant, self.mode, pairs, {} if document is None else document)

    def has_body(self) -> None:
        """Start the clock of what Guard adds: the client waits for Guard from now on."""
        self.body_read = time.perf_counter()

    def guard_is_done(self) -> None:
        """Stop the clock of what Guard adds: the request is sent on or refused now."""
        if self.body_read is not None and self.added_s is None:
            self.added_s = time.perf_counter() - self.body_read

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send the head of the answer, with the headers of the verdict."""
        self.status = status
        guard_headers = verdict_headers(self.decision, self.id, was_sent_on=self.action != REJECTED)
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *guard_headers]})

    async def send_part(self, part: bytes) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": part, "more_body": True})

    async def finish(self, part: bytes = b"") -> None:
        """Send the last part of the body. An answer that is never finished reaches the client as a broken one."""
        self.is_finished = True
        await self.send({"type": "http.response.body", "body": part})

    async def answer(self, answer: Answer) -> None:
        """Send a complete answer of Guard's own."""
        self.guard_is_done()
        self.code = self.code or answer.code
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", str(len(answer.body)).encode()),
            *answer.headers,
        ]
        await self.start(answer.status, headers)
        await self.finish(answer.body)


# Answers one request.
Door: TypeAlias = Callable[[Exchange], Awaitable[None]]


def id_of_answer(id_: str) -> str:
    """Return the id under which the decision about an answer is remembered, from that of its request's."""
    return hashlib.blake2b(id_.encode(), digest_size=16, person=b"guard answer").hexdigest()
