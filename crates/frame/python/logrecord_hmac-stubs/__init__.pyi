import logging.handlers
import socket
import ssl
from typing import Any, Counter, Mapping, NamedTuple, Optional, Union

__all__: list[str]
__version__: str

ACK_WANTED: int

class Refused(ValueError):
    reason: str
    def __init__(self, reason: str) -> None: ...

class Opened(NamedTuple):
    payload: bytes
    flags: int
    key_id: bytes
    stream_id: bytes
    seq: int
    time_ns: int
    gap: int

class Ack(NamedTuple):
    status: int
    key_id: Union[str, bytes]
    stream_id: bytes
    seq: int

class Replay:
    def __init__(
        self,
        start_ns: Optional[int] = ...,
        max_skew: float = ...,
        max_streams: int = ...,
        max_streams_per_key: int = ...,
    ) -> None: ...
    def check(
        self,
        now_ns: int,
        key_id: bytes,
        stream_id: bytes,
        seq: int,
        time_ns: int,
        wants_ack: bool = ...,
    ) -> int: ...

def seal(
    key: bytes,
    key_id: Union[str, bytes],
    payload: bytes,
    stream_id: bytes,
    seq: int,
    time_ns: Optional[int] = ...,
    audience: Union[str, bytes] = ...,
    flags: int = ...,
) -> bytes: ...
def open_(
    envelope: bytes,
    keys: Mapping[Any, bytes],
    audience: Union[str, bytes] = ...,
    now_ns: Optional[int] = ...,
    replay: Optional[Replay] = ...,
    acks: bool = ...,
) -> Opened: ...
def seal_plain(key: bytes, body: bytes) -> bytes: ...
def open_plain(sealed: bytes, key: bytes) -> bytes: ...
def seal_ack(key: bytes, ack: Ack, audience: Union[str, bytes] = ...) -> bytes: ...
def open_ack(payload: bytes, keys: Mapping[Any, bytes], audience: Union[str, bytes] = ...) -> Ack: ...
def read_key(path: str) -> bytes: ...

class _Sealing:
    def seal_payload(self, payload: bytes) -> bytes: ...

class HMACSocketHandler(_Sealing, logging.handlers.SocketHandler):
    ssl_context: Optional[ssl.SSLContext]
    server_hostname: Optional[str]
    timeout: float
    ack: bool
    window: int
    max_age: float
    flush_timeout: float
    acked: int
    refused: Counter[str]
    dropped: Counter[str]
    last_error: Optional[Exception]
    def __init__(
        self,
        host: str,
        port: Optional[int],
        ssl_context: Optional[ssl.SSLContext] = ...,
        server_hostname: Optional[str] = ...,
        timeout: float = ...,
        ack: bool = ...,
        window: int = ...,
        max_age: float = ...,
        flush_timeout: float = ...,
        *,
        key_file: Optional[str] = ...,
        key: Union[bytes, str, None] = ...,
        key_id: Union[bytes, str, None] = ...,
        audience: Union[bytes, str] = ...,
        plain: bool = ...,
    ) -> None: ...
    @property
    def unacked(self) -> int: ...
    def makeSocket(self, timeout: Optional[float] = ...) -> socket.socket: ...
    def flush(self, timeout: Optional[float] = ...) -> bool: ...  # type: ignore[override]

class HMACDatagramHandler(_Sealing, logging.handlers.DatagramHandler):
    def __init__(
        self,
        host: str,
        port: Optional[int],
        key_file: Optional[str] = ...,
        key: Union[bytes, str, None] = ...,
        key_id: Union[bytes, str, None] = ...,
        audience: Union[bytes, str] = ...,
        plain: bool = ...,
    ) -> None: ...
