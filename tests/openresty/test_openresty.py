"""resty.millpond in nginx: one worker serves others while a statement runs."""

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from addresses import url_to

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
KINDS = ["sqlite", "postgres", "mysql"]
pytestmark = pytest.mark.slow

CONFIG = """
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    lua_package_path "{scripts}/?.lua;{here}/?.lua;;";
    lua_shared_dict state 1m;
    init_worker_by_lua_block {{ require("app").url = [[{url}]] }}
    server {{
        listen unix:{folder}/http.sock;
        location / {{ content_by_lua_block {{ require("app").serve() }} }}
    }}
}}
"""


def when(holds: Callable[[], bool]) -> None:
    """Wait until it is so, with a generous deadline."""
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


class Server:
    """nginx, with one worker."""

    def __init__(self, kind: str, folder: Path, text: str = "") -> None:
        self.folder, self.kind = folder, kind
        config = folder / "nginx.conf"
        scripts = ROOT / "bindings" / "luajit"
        url = url_to(kind, folder / "resty.db")
        made = CONFIG.format(folder=folder, scripts=scripts, here=HERE, url=url)
        config.write_text(text or made)
        env = {**os.environ, "LD_LIBRARY_PATH": str(ROOT / "build/release/abi")}
        log = str(folder / "error.log")
        command = ["nginx", "-p", str(folder), "-c", str(config), "-e", log]
        self.process = subprocess.Popen(command, env=env)

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.folder / "http.sock"))
        except OSError:
            return False
        return True

    def log(self) -> str:
        return (self.folder / "error.log").read_text()

    def ask(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("localhost", timeout=100)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(100)
        connection.sock.connect(str(self.folder / "http.sock"))
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            said = answer.read().decode().rstrip("\n")
        finally:
            connection.close()
        return answer.status, said

    def get(self, path: str) -> str:
        status, said = self.ask(path)
        assert status == 200, said + self.log()
        return said

    def quit(self) -> int:
        self.process.send_signal(signal.SIGQUIT)
        return self.process.wait(60)


@pytest.fixture(params=KINDS, scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    running = Server(request.param, tmp_path_factory.mktemp("nginx"))
    when(running.is_up)
    try:
        assert running.get("/set_up") == "made"
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_rows_come_with_nulls(server: Server) -> None:
    assert [server.get("/user?id=1"), server.get("/user?id=2")] == ["Ada", "NULL"]


def test_a_transaction_that_fails_leaves_nothing(server: Server) -> None:
    assert server.get("/roll_back") == "nil EUNIQUE 2"


def test_an_error_says_what_was_wrong(server: Server) -> None:
    assert "nowhere" in server.get("/wrong")


def test_entities_are_saved_and_found(server: Server) -> None:
    assert server.get("/entity") == "1 37 2 1 false"


def test_a_statement_is_stopped_in_time(server: Server) -> None:
    assert server.get("/stopped") == "ETIMEDOUT"


def test_light_threads_of_one_request_share_the_pool(server: Server) -> None:
    assert server.get("/many") == str(sum(range(1, 61)))


def test_the_worker_serves_others_while_a_statement_waits(server: Server) -> None:
    if server.kind == "sqlite":
        pytest.skip("SQLite has no locks of that kind")
    assert server.get("/lock") == "held"
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(server.get("/wait")))
    waiting.start()
    when(lambda: server.get("/is_waiting") == "1")
    assert server.get("/user?id=1") == "Ada" and answers == []
    assert server.get("/unlock") == "dropped"
    waiting.join(100)
    assert answers == ["got it"]


def test_many_requests_at_once(server: Server) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.get("/user?id=1"))) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert answers == ["Ada"] * 40


def test_nginx_quits_when_the_last_request_has_ended_and_nothing_was_logged(server: Server) -> None:
    answers: list[str] = []
    before = int(server.get("/is_waiting"))
    sleeping = threading.Thread(target=lambda: answers.append(server.get("/sleep")))
    sleeping.start()
    when(lambda: int(server.get("/is_waiting")) > before)
    assert server.quit() == 0
    sleeping.join(100)
    assert answers == ["awake"]  # what was begun came to its end
    loud = [line for line in server.log().splitlines() if "[notice]" not in line]
    assert loud == []


def test_the_example_serves_users(tmp_path: Path) -> None:
    text = (ROOT / "examples/ffi/luajit/nginx.conf").read_text()
    modules = "".join(CONFIG.split("daemon off;")[:1]).strip()
    temporary = "\n".join(line for line in CONFIG.splitlines() if "temp_path" in line)
    text = text.replace("daemon off;", f"{modules}\ndaemon off;\nuser root;")
    text = text.replace("access_log off;", f"access_log off;\n{temporary}")
    text = text.replace("127.0.0.1:8080", "unix:{folder}/http.sock")
    text = text.replace("bindings/luajit", str(ROOT / "bindings/luajit"))
    text = text.replace("error_log stderr;", "error_log {folder}/error.log notice;")
    text = text.replace("{folder}", str(tmp_path)).replace("sqlite:///", f"sqlite:///{tmp_path}/")
    running = Server("sqlite", tmp_path, text)
    try:
        when(running.is_up)
        when(lambda: "Grace" in running.ask("/users/2")[1])
        assert running.ask("/users/1") == (200, "Ada")
        assert running.ask("/users/3")[0] == 404
        assert running.quit() == 0
    finally:
        running.process.kill()
        running.process.wait()
