"""What a worker is given that dies, raises or hangs. It imports nothing heavy: each process reads it anew."""

from __future__ import annotations

import os
import time
from typing import Any


def die(data: bytes, name: str) -> Any:
    """Do what the bytes say."""
    if data == b"die":
        os._exit(9)
    if data == b"sleep":
        time.sleep(60)
    if data == b"raise":
        raise RuntimeError("names a person")
    return {"called": name}
