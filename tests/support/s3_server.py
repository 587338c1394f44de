"""A real server that speaks S3 over HTTP, in a process of its own, with an empty bucket."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

BUCKET = "company"


@dataclass(frozen=True)
class S3Server:
    """A running server: its process, and the environment in which a program reaches it as it would reach AWS."""

    process: subprocess.Popen[str]
    environment: dict[str, str]

    @property
    def address(self) -> str:
        """The bucket."""
        return f"s3://{BUCKET}"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """The server, until the block ends."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = None
            while found is None:
                line = process.stderr.readline()
                assert line, "the server ended"
                found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", line)
            Thread(target=process.stderr.read, daemon=True).start()  # it logs every request, and a full pipe stops it
            environment = {
                "AWS_ENDPOINT_URL": found[1],
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            import s3fs  # only tests on S3 pay for it

            options = {"endpoint_url": found[1]}
            s3fs.S3FileSystem(key="test", secret="test", client_kwargs=options, skip_instance_cache=True).mkdir(BUCKET)
            yield S3Server(process, environment)
        finally:
            process.kill()
            process.wait()
