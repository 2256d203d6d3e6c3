"""
HTTP/1.1 as far as Stripe's clients speak it: one request from a stream, one reply.

``http.server`` reads headers as e-mail, which takes longer than all that Stripe's
simulation does; here they are lines.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from io import BufferedIOBase
from typing import Final

from paykit.testing.stripe_server.api import HttpReply, HttpRequest

__all__ = ["Unreadable", "encode_reply", "read_request", "wants_to_close"]

_LONGEST_LINE: Final = 1 << 16
_MOST_HEADERS: Final = 100
_LARGEST_BODY: Final = 1 << 20


class Unreadable(Exception):
    """What came is no request; the connection cannot go on."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def read_request(
    stream: BufferedIOBase, go_on: Callable[[], None]
) -> tuple[HttpRequest, bool] | None:
    """
    Return the next request and whether the client stays, or None at the stream's end.

    `go_on` tells a client that asks first whether it may send its body. Raises
    `Unreadable`.
    """
    line = _line(stream)
    if not line:
        return None
    method, target, version = _start(line)
    headers = _headers(stream)
    if headers.get("expect", "").lower() == "100-continue":
        go_on()
    request = HttpRequest(
        method=method, target=target, headers=headers, body=_body(stream, headers)
    )
    return request, version == "HTTP/1.1" and not wants_to_close(headers)


def wants_to_close(headers: dict[str, str]) -> bool:
    """Whether the client ends the connection after this request."""
    return headers.get("connection", "").lower() == "close"


def encode_reply(reply: HttpReply, body: bytes, *, stays: bool) -> bytes:
    """Return `reply` as it goes out, announcing a body of the length of `body`."""
    lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    if not stays:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace") + body


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def _line(stream: BufferedIOBase) -> str:
    """Return one line without its end; empty also at the end of the stream."""
    line = stream.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise Unreadable(HTTPStatus.REQUEST_URI_TOO_LONG)
    return line.rstrip(b"\r\n").decode("latin-1")


def _start(line: str) -> tuple[str, str, str]:
    words = line.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise Unreadable(HTTPStatus.BAD_REQUEST)
    return words[0], words[1], words[2]


def _headers(stream: BufferedIOBase) -> dict[str, str]:
    """Return the headers by their names in lower case."""
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = _line(stream)
        if not line:
            return headers
        name, colon, value = line.partition(":")
        if not colon:
            raise Unreadable(HTTPStatus.BAD_REQUEST)
        headers[name.lower()] = value.strip()
    raise Unreadable(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


def _body(stream: BufferedIOBase, headers: dict[str, str]) -> bytes:
    """Return the body, whose length Stripe's clients always tell."""
    if "transfer-encoding" in headers:
        raise Unreadable(HTTPStatus.LENGTH_REQUIRED)
    given = headers.get("content-length", "0")
    if not given.isdecimal():
        raise Unreadable(HTTPStatus.BAD_REQUEST)
    length = int(given)
    if length > _LARGEST_BODY:
        raise Unreadable(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = stream.read(length)
    if len(body) < length:
        raise Unreadable(HTTPStatus.BAD_REQUEST)
    return body
