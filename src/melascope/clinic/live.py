"""The live mode's side of the server: a camera's frames, one at a time and the newest only; none is kept.

A frame lives in memory until it has been looked at, in a process of its own. While one is looked at, others are turned
away at once: the browser then sends its newest. So nothing queues, however slow the machine is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import Final

from melascope.clinic import logs
from melascope.clinic.access import Invalid, Refused
from melascope.clinic.worker import TookTooLong, Worker, WorkerFailed
from melascope.live import Glance, glance_at

__all__ = ["MOST_BYTES", "MOST_SIDE", "PER_SECOND", "Broken", "Busy", "Live", "TooMany", "check_frame", "side_of"]

MOST_BYTES: Final = 200_000
MOST_SIDE: Final = 640
"""Pixels of a frame's longer side."""
PER_SECOND: Final = 15
"""Frames that one account may send."""
_LIMIT_S: Final = 60.0
"""For one frame; the first one waits until the process has started."""
_REST_S: Final = 60.0
"""After so long without a frame the process gives its memory back."""
_MOST_ACCOUNTS: Final = 1000

Look = Callable[[bytes, int], Glance]


class Busy(Refused):
    """Another frame is being looked at: send the newest one a little later."""


class Broken(Refused):
    """The look itself failed: the next frame may do no better."""


class TooMany(Refused):
    """More frames than one account may send."""


class Live:
    """Looks at frames, one at a time.

    Args:
        look: Stands in for `glance_at` in tests; runs in a process of its own if it is left out.
    """

    def __init__(self, look: Look | None = None) -> None:
        self._worker = None if look is not None else Worker(glance_at, _LIMIT_S, niceness=0)
        self._look: Look = look or self._worker  # type: ignore[assignment]
        self._free = threading.Lock()
        self._sent: dict[str, tuple[float, float]] = {}
        self._counting = threading.Lock()
        self._resting: threading.Thread | None = None
        self._stopped = threading.Event()
        self._latest = 0.0

    def see(self, user_id: str, frame: bytes, side: int) -> Glance:
        """Look at a frame.

        Args:
            user_id: Who sends it.
            frame: A small JPEG.
            side: Pixels of the camera's picture that the frame's longer side stands for.

        Raises:
            TooMany: The account sends too many.
            Invalid: It is no frame.
            Busy: Another one is being looked at, or this one took too long.
            Broken: The process died, or the look raised.
        """
        self._count(user_id)
        check_frame(frame)
        if not self._free.acquire(blocking=False):
            raise Busy
        try:
            return self._look(frame, side)
        except TookTooLong:
            raise Busy from None
        except WorkerFailed as error:
            logs.event("frame_failed", reason=str(error))
            raise Broken from None
        finally:
            self._latest = time.monotonic()
            self._free.release()
            self._watch()

    def stop(self) -> None:
        """End the process."""
        self._stopped.set()
        with self._free:
            if self._worker is not None:
                self._worker.stop()

    def _count(self, user_id: str) -> None:
        """A bucket that fills with time: a second's frames at once, then as many as there are seconds."""
        moment = time.monotonic()
        with self._counting:
            if len(self._sent) > _MOST_ACCOUNTS:
                self._sent.clear()
            left, at = self._sent.get(user_id, (float(PER_SECOND), moment))
            left = min(float(PER_SECOND), left + (moment - at) * PER_SECOND)
            self._sent[user_id] = (max(0.0, left - 1.0), moment)
        if left < 1.0:
            raise TooMany

    def _watch(self) -> None:
        if self._worker is None or (self._resting is not None and self._resting.is_alive()):
            return
        self._resting = threading.Thread(target=self._rest, name="live-rest", daemon=True)
        self._resting.start()

    def _rest(self) -> None:
        """Wait until nobody has sent a frame for a while, then end the process."""
        while not self._stopped.wait(max(0.0, self._latest + _REST_S - time.monotonic())):
            with self._free:  # which waits for a frame that is being looked at: then there is another while to wait
                if time.monotonic() - self._latest >= _REST_S:
                    if self._worker is not None:
                        self._worker.stop()
                    return


def check_frame(data: bytes) -> None:
    """Refuse what is no small JPEG, from its header alone.

    Raises:
        Invalid: It is none.
    """
    from melascope.photo.formats import format_of

    kind = format_of(data) if 0 < len(data) <= MOST_BYTES else None
    if kind is None or kind.name != "JPEG":
        raise Invalid("error.frame", most=MOST_SIDE)
    try:
        size = kind.open(BytesIO(data)).size
    except Exception:  # noqa: BLE001 - decoders fail on damaged files in every way there is
        raise Invalid("error.frame", most=MOST_SIDE) from None
    if max(size) > MOST_SIDE:
        raise Invalid("error.frame", most=MOST_SIDE)


def side_of(raw: str) -> int:
    """The number of pixels that a request names.

    Raises:
        Invalid: It is none, or no camera has so many.
    """
    if not (raw.isdecimal() and raw.isascii() and len(raw) < 6 and int(raw) > 0):
        raise Invalid("error.choice", "side", value=raw[:40])
    return int(raw)
