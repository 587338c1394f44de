"""`billing-dq serve` as a process: it says where it is, ends with a signal, and says so where its port is taken."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

PROGRAM = Path(sys.executable).parent / "billing-dq"


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command with nothing stored; signals as a terminal leaves them, whoever started the tests."""
    return subprocess.Popen(
        [PROGRAM, "serve", *arguments],
        cwd=home,
        env={"BILLING_DQ_HOME": str(home), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_until_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, "--port", "0") as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        assert requests.get(address, timeout=60).status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(tmp_path, "--port", str(port)) as process:
            out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert err == f"billing-dq: port {port} of this machine cannot be had: it is in use; --port takes another\n"
