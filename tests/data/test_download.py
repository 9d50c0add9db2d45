"""Fetching a text, against a local server."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from unrolled.data import download
from unrolled.data.corpora import read_corpus
from unrolled.data.download import shakespeare
from unrolled.errors import DataError

PLAY = b"ROMEO:\nO, she doth teach the torches to burn bright!\n" * 20
HASH = hashlib.sha256(PLAY).hexdigest()


@pytest.fixture
def server():
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            body = {"/input.txt": PLAY, "/cut.txt": PLAY[:100]}.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_it_is_fetched_once(server, tmp_path):
    url, requests = server
    for _ in range(2):
        path = shakespeare(f"{url}/input.txt", tmp_path / "new" / "cache", HASH)
        assert path.read_bytes() == PLAY
    assert requests == ["/input.txt"]
    assert [p.name for p in path.parent.iterdir()] == ["tinyshakespeare.txt"]


def test_a_damaged_copy_is_fetched_again(server, tmp_path):
    url, requests = server
    (tmp_path / "tinyshakespeare.txt").write_bytes(PLAY[:-1])
    assert shakespeare(f"{url}/input.txt", tmp_path, HASH).read_bytes() == PLAY
    assert len(requests) == 1


def test_a_wrong_hash_leaves_nothing(server, tmp_path):
    with pytest.raises(DataError, match="100 bytes with the hash"):
        shakespeare(f"{server[0]}/cut.txt", tmp_path, HASH)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/absent.txt", None])
def test_no_answer_says_what_to_do(server, tmp_path, path):
    url = server[0] + path if path else "http://127.0.0.1:1/input.txt"
    with pytest.raises(DataError, match=r"cannot be fetched .* save it as .*tinyshakespeare\.txt"):
        shakespeare(url, tmp_path, HASH)


def test_the_option_reads_it_from_the_users_cache(tmp_path, monkeypatch):
    (tmp_path / "tinyshakespeare.txt").write_bytes(PLAY)
    monkeypatch.setattr(download, "_user_cache", lambda: tmp_path)
    monkeypatch.setattr(download.shakespeare, "__defaults__", (*download.shakespeare.__defaults__[:2], HASH))
    assert read_corpus(data="shakespeare").text.encode() == PLAY
