"""Work that is begun now and waited for later."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


def ahead(work: Callable[[], Result]) -> Callable[[float | None], Result]:
    """Begin the work in a thread; calling what is given back waits for its result, or raises its error.

    It waits so many seconds at most (None: as long as it takes), and raises TimeoutError after them.

    Nobody need wait: the thread does not keep the process alive, so that a slow server holds up no stopped night.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=run, name="billing_dq-ahead", daemon=True)
    thread.start()

    def result(seconds: float | None = None) -> Result:
        thread.join(seconds)
        if thread.is_alive():
            raise TimeoutError
        if errors:
            raise errors[0]
        return results[0]

    return result
