"""A lock that is an object of an S3-compatible store: one holder among all machines, by conditional puts.

Who puts the object first (`If-None-Match: *`) holds the lock, and puts it again (`If-Match`: the tag of what it put
itself) while it works. A holder that is gone puts nothing: when the object has stood unchanged for the lease, another
may take it, with `If-Match` too, so that of several takers one succeeds. Ages are by the store's own clock.
"""

import json
import os
import socket
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event, Thread
from typing import Any

from upath import UPath

from billing_dq.errors import SourceError

#: A holder that has not renewed for so long is gone.
LEASE_SECONDS = 300.0
_RENEWALS = 5  # within a lease: some may fail on the way
_REFUSED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class ObjectLock:
    """The lock at a path of an S3 file system.

    Attributes:
        lost: whether another holder took it meanwhile: this one did not renew it in time.
    """

    def __init__(self, path: UPath, lease_seconds: float = LEASE_SECONDS) -> None:
        self.lost = False
        self._path = path
        self._bucket, _, self._key = path.path.partition("/")
        self._lease = lease_seconds
        self._tag = ""
        self._ended = Event()
        self._renewing: Thread | None = None

    def take(self, what: str) -> None:
        """Take the lock, and renew it from now on; ``what`` names it in messages.

        Raises:
            SourceError: another holds it, or the store cannot be asked.
        """
        try:
            if not self._put(_holder(), IfNoneMatch="*"):
                tag, age, holder = self._standing()
                if holder and age < self._lease:
                    raise SourceError(f"{what} is being taken by {holder}; wait until it has ended")
                if not self._put(_holder(), IfMatch=tag):
                    raise SourceError(f"{what} has just been taken by another process; wait until it has ended")
        except OSError as error:
            raise SourceError(f"the lock {self._path} cannot be written: {error}") from None
        self._renewing = Thread(target=self._renew, name="billing_dq-lock", daemon=True)
        self._renewing.start()

    def give_up(self) -> None:
        """End the holding. The object stays, without a holder: to delete it might delete another's."""
        self._ended.set()
        if self._renewing is not None:
            self._renewing.join()
        try:
            self.lost = self.lost or not self._put("", IfMatch=self._tag)
        except OSError:
            return  # the lease will end it

    def _renew(self) -> None:
        while not self._ended.wait(max(self._lease / _RENEWALS, 1.0)):
            try:
                self.lost = not self._put(_holder(), IfMatch=self._tag)
            except OSError:
                continue  # the next renewal may succeed; if none does, the lease ends and `give_up` notices
            if self.lost:
                return

    def _put(self, holder: str, **condition: str) -> bool:
        """Put the object where the condition holds; whether it did."""
        body = json.dumps({"holder": holder, "at": datetime.now(UTC).isoformat()}).encode()
        try:
            answer = self._call("put_object", Body=body, **condition)
        except OSError as error:
            if _code(error) in _REFUSED:
                return False
            raise
        self._tag = answer["ETag"]
        return True

    def _standing(self) -> tuple[str, float, str]:
        """The tag, the age in seconds and the holder of the object as it stands; no holder where it was given up."""
        answer = self._call("get_object")
        age = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]) - answer["LastModified"]
        content = json.loads(self._path.read_bytes())
        return answer["ETag"], age.total_seconds(), content["holder"]

    def _call(self, method: str, **arguments: object) -> Any:  # the answers of botocore have no types
        try:
            call: Any = getattr(self._path.fs, "call_s3")  # noqa: B009 - of s3fs, which is an extra
            return call(method, Bucket=self._bucket, Key=self._key, **arguments)
        except OSError:
            raise
        except Exception as error:  # the client's own errors (no credentials, no connection) are no OSErrors
            raise OSError(str(error)) from error


def _holder() -> str:
    return f"process {os.getpid()} of {socket.gethostname()}"


def _code(error: OSError) -> str:
    answer = getattr(error.__cause__ or error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))
