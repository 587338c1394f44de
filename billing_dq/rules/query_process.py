"""A process of its own for the queries of analysts: what hangs or grows in it is killed, and the night goes on.

DuckDB computes constants while it plans a query, where no interrupt reaches it, and some functions take memory that its
own limit does not count.
"""

import atexit
import os
import pickle
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

SECONDS = 60.0
#: Of private memory, what the interpreter and its libraries take included.
MEMORY_BYTES = 2 * 1024**3
Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class QueryError(ValueError):
    """A query cannot be used; the message says why in one line."""


class QueryProcess:
    """Calls functions in one process that is begun when it is needed, and anew after it was killed.

    What goes there and comes back is pickled: both ends are ours, and only the text of a query is not.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def end(self) -> None:
        """End the process; the next call begins another one."""
        if self._process is not None:
            self._process.communicate()  # closes its input, at which it ends
            self._process = None

    def forget(self) -> None:
        """Leave the process to the one that this was forked from."""
        self._process, self._lock = None, threading.Lock()

    def call(
        self, function: Callable[Parameters, Answer], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Answer:
        """The answer of a function of a module.

        Raises:
            QueryError: the function raised it, took more than `SECONDS`, or ended the process.
        """
        with self._lock:
            answer = self._answer((function, args, kwargs))
        if isinstance(answer, QueryError):
            raise answer
        return answer

    def _answer(self, call: tuple[Callable[..., Answer], object, object]) -> Answer | QueryError:
        # kept only after a whole answer: a call that is interrupted would leave its answer to the next one
        process, self._process = self._process or _begin(), None
        assert process.stdin is not None
        assert process.stdout is not None
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(SECONDS, stop)
        timer.start()
        try:
            pickle.dump(call, process.stdin)
            process.stdin.flush()
            answer: Answer | QueryError = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            if is_late.is_set():
                return QueryError(f"the query took more than {SECONDS:.0f} seconds and was stopped")
            return QueryError(f"the query ended its process, which may take {MEMORY_BYTES / 1e9:.1f} GB")
        else:
            self._process = process
            return answer
        finally:
            timer.cancel()
            if self._process is None:
                process.kill()
                process.communicate()


#: Of all queries of this process: one more costs a second of imports.
QUERIES = QueryProcess()
atexit.register(QUERIES.end)
os.register_at_fork(after_in_child=QUERIES.forget)


def _begin() -> subprocess.Popen[bytes]:
    """A process without our credentials. Not `multiprocessing`: it would run the main module of this process again."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_DQ_")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", f"from {__name__} import answer_calls; answer_calls()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def answer_calls() -> None:
    """Answer calls from standard input until it ends, with so much memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    calls, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        try:
            function, args, kwargs = pickle.load(calls)
        except EOFError:
            return
        try:
            answer = function(*args, **kwargs)
        except QueryError as error:
            answer = error
        except MemoryError:
            answer = QueryError(f"the query needs more than {MEMORY_BYTES / 1e9:.1f} GB of memory")
        pickle.dump(answer, answers)
        answers.flush()
