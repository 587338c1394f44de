"""Replies of a server that are fetched while earlier ones are worked on."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread


@contextmanager
def fetched_ahead(fetch: Callable[[], bytes | None], room: int) -> Iterator[Callable[[float | None], bytes | None]]:
    """Fetch replies in a thread, as long as those that nobody took have fewer than ``room`` bytes.

    What is given waits for the next reply so many seconds at most (None: as long as it takes). It raises TimeoutError
    after them, and the error of a fetch in the place of its reply. An empty reply, None or an error is the last.

    Nobody need wait: the thread ends after its fetch when the block ends, and does not keep the process alive. So a
    slow server holds up no stopped night.
    """
    came: deque[bytes | BaseException | None] = deque()
    changed = Condition()
    waiting = True

    def may_fetch() -> bool:
        return not waiting or sum(len(reply) for reply in came if isinstance(reply, bytes)) < room

    def run() -> None:
        more = True
        while more:
            try:
                reply = fetch()
            except BaseException as error:
                reply = error
            with changed:
                came.append(reply)
                changed.notify_all()
                changed.wait_for(may_fetch)
                more = waiting and isinstance(reply, bytes) and len(reply) > 0

    def coming(seconds: float | None) -> bytes | None:
        with changed:
            if not changed.wait_for(lambda: came, seconds):
                raise TimeoutError
            reply = came.popleft()
            changed.notify_all()
        if isinstance(reply, BaseException):
            raise reply
        return reply

    Thread(target=run, name="billing_dq-ahead", daemon=True).start()
    try:
        yield coming
    finally:
        with changed:
            waiting = False
            changed.notify_all()
