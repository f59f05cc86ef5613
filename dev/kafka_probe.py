"""Ask a Kafka broker whether it serves clients, in the wire protocol, without a client library or an event loop."""

import socket
import struct

METADATA = 3  # https://kafka.apache.org/protocol#The_Messages_Metadata
METADATA_VERSION = 1
NO_TOPICS = 0
CLIENT_ID = b"sitehub-probe"
TIMEOUT_SECONDS = 2.0
ANSWER_HEADER = struct.Struct(">iii")  # size, correlation id, number of brokers


def is_ready(host: str, port: int) -> bool:
    """Tell whether a broker answers there and knows of at least one registered broker: itself."""
    body = (
        struct.pack(">hhih", METADATA, METADATA_VERSION, 0, len(CLIENT_ID)) + CLIENT_ID + struct.pack(">i", NO_TOPICS)
    )
    try:
        with socket.create_connection((host, port), TIMEOUT_SECONDS) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = b""
            while len(answer) < ANSWER_HEADER.size:
                if not (part := connection.recv(ANSWER_HEADER.size - len(answer))):
                    return False
                answer += part
    except OSError:
        return False
    _, _, brokers = ANSWER_HEADER.unpack(answer)
    return bool(brokers > 0)
