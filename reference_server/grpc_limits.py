"""What gRPC's own library can bound: its options for a server."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["GrpcLimits"]


@dataclass(frozen=True, slots=True)
class GrpcLimits:
    """What clients may ask of a server, and one of a connection.

    A connection beyond `max_connections` is closed without a word. One that does not begin to speak
    HTTP/2 within `handshake_seconds` is closed, and one without a call for `idle_seconds` too: it
    is told before, and clients connect anew. Pings beyond what the library takes for keep-alive end
    a connection without our doing.
    """

    max_connections: int = 10_000
    max_message_bytes: int = 64 * 2**20
    max_streams: int = 1024
    max_metadata_bytes: int = 16 * 2**10
    handshake_seconds: float = 10.0
    idle_seconds: float = 600.0

    @property
    def options(self) -> Sequence[tuple[str, int]]:
        """The options of the server."""
        return (
            ("grpc.max_allowed_incoming_connections", self.max_connections),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", self.max_streams),
            # The first is where the library begins to refuse by chance, the second where always.
            ("grpc.max_metadata_size", self.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", self.max_metadata_bytes),
            ("grpc.server_handshake_timeout_ms", round(self.handshake_seconds * 1000)),
            ("grpc.max_connection_idle_ms", round(self.idle_seconds * 1000)),
            ("grpc.so_reuseport", 0),  # or two servers could share a port unnoticed
        )
