"""The shipped proxy refuses what other sites make a browser ask of Dagster; tried where Caddy is installed."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

DEPLOY = Path(__file__).parents[2] / "deploy"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("caddy") is None, reason="Caddy is not installed")]


class _Webserver(BaseHTTPRequestHandler):
    """Answers everything, as Dagster's webserver does where nothing stands before it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The proxy without TLS and login, which are not what is tried."""
    folder = tmp_path_factory.mktemp("proxy")
    webserver = ThreadingHTTPServer(("127.0.0.1", 0), _Webserver)
    Thread(target=webserver.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shipped = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    rules = shipped[shipped.index("(own_pages_only)") : shipped.index("{$PROXY_HOST}:8443")]
    backend = f"reverse_proxy 127.0.0.1:{webserver.server_port}"
    site = f"http://127.0.0.1:{port} {{\n\timport own_pages_only\n\t{backend}\n}}\n"
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + rules.replace("https://{http", "http://{http") + site)
    command = ["caddy", "run", "--config", str(folder / "Caddyfile")]
    with subprocess.Popen(command, env={"HOME": str(folder)}, stderr=subprocess.PIPE, text=True) as proxy:
        assert proxy.stderr is not None
        for line in proxy.stderr:
            if "serving initial configuration" in line:
                break
        yield f"http://127.0.0.1:{port}"
        proxy.terminate()
    webserver.shutdown()
    webserver.server_close()


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/runs", {}, 200),
        ("POST", "/graphql", JSON, 200),
        ("POST", "/graphql", {**JSON, "Origin": "OWN"}, 200),
        ("GET", "/graphql", {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "OWN"}, 200),
        ("GET", "/graphql?query=mutation", {}, 405),
        ("GET", "//graphql?query=mutation", {}, 405),
        ("POST", "/graphql", {"Content-Type": "text/plain"}, 415),
        ("POST", "/graphql", {**JSON, "Origin": "https://other.example"}, 403),
        ("POST", "/report_asset_materialization/findings", {"Origin": "null"}, 403),
        ("GET", "/graphql", {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "https://other.example"}, 403),
    ],
)
def test_only_pages_of_this_address_and_programs_reach_graphql(
    address: str, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    own = {name: address if value == "OWN" else value for name, value in headers.items()}
    assert requests.request(method, address + path, headers=own, timeout=30).status_code == status
