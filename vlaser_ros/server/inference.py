"""Calls into the model, each waited for no longer than its caller wants. No ROS beyond the result's constants.

No thread can be interrupted in the middle of inference. So the model runs in threads of its own, and whoever waits for
it may give up: because it was cancelled, or because the call takes too long. A call that was given up goes on, its
result is dropped, and until a call that took too long has returned the model counts as hanging.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from vlaser_msgs.msg import ResultCode

from vlaser_ros.faults import Fault
from vlaser_ros.server.interrupt import Interrupted

POLL = 0.05  # s between two looks at `interrupted` by a caller that nobody wakes


class _Call:
    """One call, from its request until it has returned, waited for or not. changed: notified when it has."""

    def __init__(self, work: Callable[[], Any], limit: float, changed: threading.Condition) -> None:
        self.work: Callable[[], Any] | None = work
        self.limit, self.changed = limit, changed
        self.began: float | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = self.abandoned = self.late = False


class Inference:
    """Threads that call the model: one for actions, `texts` for words. Thread-safe.

    told: takes a line for the log when a call hangs, and when it returns after all.
    """

    def __init__(self, texts: int, told: Callable[[str], None]) -> None:
        self._told = told
        self._lock = threading.Lock()
        # A condition for each kind and each call: every thread that wakes for nothing costs an action its time.
        self._asked = {kind: threading.Condition(self._lock) for kind in ("action", "text")}
        self._queues: dict[str, deque[_Call]] = {kind: deque() for kind in self._asked}
        self._present: set[_Call] = set()
        self._waited: set[_Call] = set()
        self._closed = False
        for kind, count in (("action", 1), ("text", texts)):
            for index in range(count):
                threading.Thread(target=self._serve, args=(kind,), name=f"inference_{kind}_{index}", daemon=True).start()

    def act(self, work: Callable[[], Any], limit: float, interrupted: Callable[[], bool] = lambda: False) -> Any:
        """`work()`'s result; it may wait for an earlier call and take together `limit` s.

        Raises whatever `work` raises, Interrupted, or Fault MODEL_FAILED when it took too long.
        """
        return self._wait(self._submit("action", work, limit), interrupted)

    def tell(self, work: Callable[[], Any], limit: float, interrupted: Callable[[], bool] = lambda: False) -> Any:
        """As `act`, beside it: for words, which several callers may want at once."""
        return self._wait(self._submit("text", work, limit), interrupted)

    def hanging(self) -> str | None:
        """Since when the model does not return, for a person; None when all is well."""
        now = time.monotonic()
        with self._lock:
            late = [now - call.began for call in self._present if call.late and call.began is not None]
        return f"a call to the model has not returned for {max(late):.1f} s; nothing is asked of it until it does" if late else None

    def wake(self) -> None:
        """Let waiting callers look at their `interrupted` again."""
        with self._lock:
            self._wake()

    def close(self) -> None:
        """Let the threads end as soon as they are back from the model; calls that have not begun are dropped."""
        with self._lock:
            self._closed = True
            for kind, queue in self._queues.items():
                queue.clear()
                self._asked[kind].notify_all()
            self._wake()

    def _wake(self) -> None:
        for call in self._waited:
            call.changed.notify_all()

    def _submit(self, kind: str, work: Callable[[], Any], limit: float) -> _Call:
        call = _Call(work, limit, threading.Condition(self._lock))
        with self._lock:
            self._queues[kind].append(call)
            self._asked[kind].notify()
        return call

    def _wait(self, call: _Call, interrupted: Callable[[], bool]) -> Any:
        deadline = time.monotonic() + call.limit
        with self._lock:
            self._waited.add(call)
            try:
                while not call.done:
                    left = deadline - time.monotonic()
                    if self._closed or interrupted():
                        call.abandoned = True
                        raise Interrupted
                    if left <= 0:
                        call.abandoned = True
                        # One that never began hangs behind another, which is the late one.
                        call.late = call.began is not None
                        break
                    call.changed.wait(min(left, POLL))
                else:
                    if call.error is not None:
                        raise call.error
                    return call.result
            finally:
                self._waited.discard(call)
        line = f"the model did not return within {call.limit:.1f} s"
        self._told(line)
        raise Fault(ResultCode.MODEL_FAILED, f"{line}; the call goes on, its result will be dropped")

    def _serve(self, kind: str) -> None:
        while (call := self._next(kind)) is not None:
            work, call.work = call.work, None
            result = error = None
            try:
                result = work()
            except BaseException as raised:  # the caller's to handle, whatever it is
                error = raised
            with self._lock:
                self._present.discard(call)
                call.done = True
                if not call.abandoned:
                    call.result, call.error = result, error
                late, took = call.late, time.monotonic() - call.began
                call.changed.notify_all()
            # A thread that waits for the next call must not keep the last one's model or picture.
            del call, work, result, error
            if late:
                self._told(f"the call that hung returned after {took:.1f} s; the model is asked again")

    def _next(self, kind: str) -> _Call | None:
        queue, asked = self._queues[kind], self._asked[kind]
        with self._lock:
            while True:
                asked.wait_for(lambda: queue or self._closed)
                if self._closed:
                    return None
                call = queue.popleft()
                if call.abandoned:
                    continue
                call.began = time.monotonic()
                self._present.add(call)
                return call
