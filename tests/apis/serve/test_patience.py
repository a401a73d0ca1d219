"""Connections that send no whole request are closed, others are left alone."""
import asyncio
import socket
import time

import pytest

from isalux_mm.apis.serve.server import in_background, listen

uvicorn = pytest.importorskip('uvicorn', reason='Uvicorn, which comes with Gradio, is not installed')
SECONDS = 0.4
REQUEST = b'GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n'


async def app(scope, receive, send):
    """Answers after the seconds that the path names."""
    if scope['type'] == 'http':
        await asyncio.sleep(float(scope['path'][1:] or 0))
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'2')]})
        await send({'type': 'http.response.body', 'body': b'ok'})


@pytest.fixture
def address(monkeypatch):
    from isalux_mm.apis.serve import patience
    monkeypatch.setattr(patience, 'REQUEST_SECONDS', SECONDS)
    listening = listen('127.0.0.1', 0)
    config = uvicorn.Config(app, http=patience.PatientProtocol, ws='none', lifespan='off', log_config=None,
                            access_log=False)
    with listening, in_background(uvicorn.Server(config), listening):
        yield listening.getsockname()


@pytest.fixture
def client(address):
    with socket.create_connection(address, timeout=30) as connection:
        yield connection


def ends_after(client) -> float:
    """Seconds until the server closes."""
    begun = time.monotonic()
    assert client.recv(100) == b''
    return time.monotonic() - begun


@pytest.mark.parametrize('sent', [b'', b'GET / HT', REQUEST[:-4]])
def test_a_request_that_does_not_come_is_ended(client, sent):
    client.sendall(sent)
    assert ends_after(client) >= SECONDS / 2


def test_a_slow_answer_is_not_cut_and_the_next_request_has_its_own_time(client):
    for seconds in (b'1', b'0'):  # the first takes more than twice as long as a request may
        client.sendall(REQUEST % seconds)
        found = b''
        while not found.endswith(b'ok'):
            found += client.recv(1000)
        assert b'200 OK' in found
    client.sendall(b'GET / HT')
    assert ends_after(client) >= SECONDS / 2


def test_a_port_that_is_taken_is_named():
    with listen('127.0.0.1', 0) as taken:
        taken.listen()
        with pytest.raises(OSError, match=r'cannot listen at 127.0.0.1, port \d+ \(.*\): choose another'):
            listen('127.0.0.1', taken.getsockname()[1])
    with pytest.raises(OSError, match='cannot listen at nowhere.invalid'):
        listen('nowhere.invalid', 0)
