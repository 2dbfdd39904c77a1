"""Servers that misbehave: each connection is handed to a function of the test's."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Behaviour = Callable[[socket.socket, int], None]
"""What a server does with a connection, of which it is told the number, from 0."""


@contextlib.contextmanager
def misbehaving(behaviour: Behaviour, *, asks: bool = True) -> Iterator[tuple[str, list[bytes]]]:
    """A server's url without a path, and the requests that it got so far; `asks` is whether it reads the request."""
    requests: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve(connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError):
            while asks:
                request = b""
                while b"\r\n\r\n" not in request:
                    more = connection.recv(65536)
                    if not more:
                        return
                    request += more
                requests.append(request)
                behaviour(connection, len(requests) - 1)
                break
            else:
                behaviour(connection, number)

    def accept() -> None:
        number = 0
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection, number), daemon=True).start()
            number += 1

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", requests
    finally:
        # Closing alone would not end the accept(2) that another thread is in.
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def answered(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer of HTTP with a length that is, unless said otherwise, that of the body."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def forever(connection: socket.socket, piece: bytes, every: float = 0.0) -> None:
    """Send a piece again and again, so many seconds apart, until nobody wants it."""
    gone = threading.Event()
    while True:
        connection.sendall(piece)
        gone.wait(every)
