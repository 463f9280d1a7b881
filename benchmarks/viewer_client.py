"""Somebody who looks: connects to a viewer as its page does, takes every frame, and draws none.

python benchmarks/viewer_client.py URL

Ends when standard input is closed, and prints how many frames came: {"messages": ..., "bytes": ..., "seconds": ...}.
"""

import importlib.metadata
import json
import sys
import threading
import time
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

CAMERA: dict[str, Any] = {
    "type": "ViewerCameraMessage",
    "wxyz": (1.0, 0.0, 0.0, 0.0),
    "position": (3.0, 3.0, 3.0),
    "fov": 1.0,
    "near": 0.01,
    "far": 1000.0,
    "image_height": 720,
    "image_width": 1280,
    "look_at": (0.0, 0.0, 0.0),
    "up_direction": (0.0, 0.0, 1.0),
}
"""What a page sends first; only then is it taken for connected."""


def attach(url: str) -> ClientConnection:
    """Connect to the viewer at a web address."""
    version = importlib.metadata.version("viser")
    address = url.rstrip("/").replace("http://", "ws://")
    connection = connect(address, subprotocols=[Subprotocol(f"viser-v{version}")], max_size=None, open_timeout=60)
    connection.send(msgspec.msgpack.encode(CAMERA))
    return connection


def main() -> None:
    """Look until standard input is closed."""
    connection, begun = attach(sys.argv[1]), time.monotonic()

    def leave() -> None:
        sys.stdin.read()
        connection.close()

    threading.Thread(target=leave, daemon=True).start()
    messages = total = 0
    try:
        for data in connection:
            messages, total = messages + 1, total + len(data)
    except ConnectionClosed:
        pass
    print(json.dumps({"messages": messages, "bytes": total, "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main()
