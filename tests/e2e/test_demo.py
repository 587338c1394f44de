"""The demo as a process that somebody stops; what it shows when it runs through is for eyes."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

PROGRAM = Path(sys.executable).parent / "billing-dq"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_leaves_no_process_and_no_directory(how: signal.Signals, tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [PROGRAM, "demo", "--organizations", "40"],
        cwd=tmp_path,
        env={"PATH": "", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # a shell that starts this in the background would have it ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert demo.stdout is not None
    lines = iter(demo.stdout)
    while "Night 1" not in (line := next(lines)):
        assert line
    started = psutil.Process(demo.pid).children(recursive=True)
    assert started
    demo.send_signal(how)
    demo.communicate()
    assert demo.returncode == 130
    _, left = psutil.wait_procs(started, timeout=600)
    assert not left
    assert list(tmp_path.iterdir()) == []
