"""What stands ahead of the page: hosts, origins, paths, cookies, sizes and paces; no Gradio is needed."""
import asyncio
import json

import pytest

pytest.importorskip('starlette', reason='Starlette, which comes with Gradio, is not installed')

from isalux_mm.apis.serve.guard import FILE, Guard, RefusedRequest, host_name
from isalux_mm.apis.serve.vault import Vault
from isalux_mm.apis.serve.workbench import MIB, Limits

HOST = 'localhost:7860'
COOKIE = 'isalux-page=secret'


class Page:
    """In the place of Gradio's: reads the body, answers 200 with a list of paths, keeps what it was asked."""

    def __init__(self):
        self.asked, self.bodies, self.paths, self.error = [], [], [], None

    async def __call__(self, scope, receive, send):
        self.asked.append(scope['path'])
        body, more = b'', True
        while more:
            message = await receive()
            body, more = body + message.get('body', b''), message.get('more_body', False)
        self.bodies.append(body)
        if self.error is not None:
            raise self.error
        await send({'type': 'http.response.start', 'status': 200,
                    'headers': [(b'access-control-allow-origin', b'*'), (b'content-type', b'application/json')]})
        await send({'type': 'http.response.body', 'body': json.dumps(self.paths).encode()})


@pytest.fixture
def page():
    return Page()


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path)


@pytest.fixture
def guard(page, vault):
    return Guard(page, vault, Limits(max_total_mb=1, upload_seconds=1), hosts=['photos.example', '[fd00::1]'])


def ask(guard, path='/', method='GET', parts=(b'', ), headers=(), query='', pause=0.0):
    """Status, headers and text of an answer; the body comes in parts, after a pause."""
    sent, parts = [], list(parts)

    async def receive():
        await asyncio.sleep(pause)
        body = parts.pop(0) if parts else b''
        return {'type': 'http.request', 'body': body, 'more_body': bool(parts)}

    async def send(message):
        sent.append(message)

    given = {'host': HOST, **dict(headers)}
    scope = dict(type='http', method=method, path=path, query_string=query.encode(),
                 headers=[(k.encode(), v.encode('latin-1')) for k, v in given.items() if v is not None])
    asyncio.run(guard(scope, receive, send))
    found = {key.decode(): value.decode() for key, value in sent[0]['headers']}
    return sent[0]['status'], found, b''.join(m.get('body', b'') for m in sent[1:]).decode()


@pytest.mark.parametrize(('host', 'served'), [
    ('localhost:7860', True), ('127.0.0.1:7860', True), ('[::1]:7860', True), ('LOCALHOST', True),
    ('localhost.:7860', True), ('photos.example', True), ('[fd00::1]:80', True),
    ('evil.example:7860', False), ('localhost.evil.example', False), ('evil.example@localhost', False),
    ('localhost:evil', False), ('', False), (None, False), ('127.0.0.1.nip.io', False), ('0.0.0.0', False),
])
def test_hosts(guard, page, host, served):
    """A name of somebody else's that leads to this machine (DNS rebinding) is not served, whatever is asked."""
    for method, path in (('GET', '/'), ('POST', '/gradio_api/upload'), ('POST', '/gradio_api/queue/join')):
        status, _, text = ask(guard, path, method, [b'{"session_hash": "a"}'], {'host': host})
        assert (status == 200) == served and (served or '--allow-host' in text)
    assert bool(page.asked) == served


@pytest.mark.parametrize(('origin', 'served'), [
    (f'http://{HOST}', True), ('https://photos.example', True), (None, True),
    ('http://evil.example', False), ('null', False), ('http://localhost:3000', False), ('http://127.0.0.1:7860', False),
    ('https://evil@photos.example', False), ('http://[', False),
])
def test_origins(guard, page, origin, served):
    for method, path in (('GET', '/config'), ('POST', '/gradio_api/upload'), ('POST', '/gradio_api/queue/join')):
        status, _, text = ask(guard, path, method, [b'{"session_hash": "a"}'], {'origin': origin})
        assert status == (200 if served else 403) and (served or 'takes no requests from' in text)
    assert bool(page.asked) == served


def test_two_hosts_are_none(guard):
    assert ask(guard, headers={'Host': 'evil.example'})[0] == 400


def test_headers_of_every_answer(guard):
    for path in ('/', '/config', '/nothing'):
        _, headers, _ = ask(guard, path)
        assert headers['x-content-type-options'] == 'nosniff' and headers['x-frame-options'] == 'DENY'
        policy = headers['content-security-policy']
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and 'unsafe-eval' not in policy
        assert not [name for name in headers if name.startswith('access-control')]


@pytest.mark.parametrize(('method', 'path', 'served'), [
    ('GET', '/', True), ('HEAD', '/', True), ('GET', '/assets/index.js', True), ('GET', '/theme.css', True),
    ('GET', '/gradio_api/proxy=http://evil.example', False), ('POST', '/gradio_api/vibe-edit', False),
    ('POST', '/gradio_api/run/predict', False), ('GET', '/monitoring', False), ('POST', '/', False),
    ('DELETE', '/', False), ('OPTIONS', '/config', False), ('GET', '/gradio_api/file/etc/passwd', False),
])
def test_only_what_the_page_needs_is_there(guard, page, method, path, served):
    status, _, _ = ask(guard, path, method)
    assert status == (200 if served else 404) and page.asked == ([path] if served else [])


@pytest.mark.parametrize(('asked', 'seen'), [('/photos', '/'), ('/photos/', '/'), ('/photos/config', '/config'),
                                             ('/config', '/config'), ('/photoshop', None)])
def test_a_proxy_may_leave_its_prefix_on(page, vault, asked, seen):
    status, headers, _ = ask(Guard(page, vault, Limits(), root_path='/photos'), asked)
    assert page.asked == ([seen] if seen else []) and status == (200 if seen else 404)
    assert seen != '/' or 'Path=/photos;' in headers['set-cookie']


def test_a_visitor_gets_one_secret(guard):
    _, headers, _ = ask(guard)
    first = headers['set-cookie']
    assert 'HttpOnly' in first and 'SameSite=Lax' in first and len(first.split(';')[0]) > 50
    assert 'set-cookie' not in ask(guard, headers={'cookie': first.split(';')[0]})[1]
    assert ask(guard)[1]['set-cookie'] != first
    assert ask(guard, headers={'cookie': '=;;;=\x01'})[0] == 200


def test_files_are_their_owners(guard, vault, tmp_path, page):
    upload = tmp_path / 'hash' / 'a.png'
    upload.parent.mkdir()
    upload.touch()
    page.paths = [str(upload)]
    assert ask(guard, '/gradio_api/upload', 'POST', [b'picture'], {'cookie': COOKIE})[0] == 200
    made = vault.results_of(vault.visitor('secret')) / 'b.png'
    made.touch()
    for path in (upload, made):
        assert ask(guard, f'{FILE}{path}', headers={'cookie': COOKIE})[0] == 200
        for other in ({}, {'cookie': 'isalux-page=other'}, {'cookie': 'isalux-page='}):
            status, _, text = ask(guard, f'{FILE}{path}', headers=other)
            assert status == 403 and 'not yours' in text
    for path in ('/etc/passwd', f'{made.parent}/../../hash/a.png/../../.lock', f'{made.parent.parent}'):
        assert ask(guard, f'{FILE}{path}', headers={'cookie': COOKIE})[0] == 403


def test_sessions_are_their_owners(guard):
    join = dict(path='/gradio_api/queue/join', method='POST', parts=[b'{"session_hash"', b': "abc"}'])
    assert ask(guard, **join, headers={'cookie': COOKIE})[0] == 200
    others = {'cookie': 'isalux-page=other'}
    assert ask(guard, **join, headers=others)[0] == 403
    assert ask(guard, '/gradio_api/queue/data', query='session_hash=abc', headers=others)[0] == 403
    assert ask(guard, '/gradio_api/heartbeat/abc', headers=others)[0] == 403
    assert ask(guard, '/gradio_api/queue/data', query='session_hash=abc', headers={'cookie': COOKIE})[0] == 200


@pytest.mark.parametrize(('parts', 'status', 'sentence'), [
    ([b'{"session_hash": "a"}'], 200, ''),
    ([b'[' * 5000], 400, 'names no session'), ([b'\xff'], 400, 'names no session'), ([b'{}'], 400, 'names no session'),
    ([b'{"session_hash": 3}'], 403, 'not yours'), ([b'x' * MIB, b'x'], 413, 'too large'),
])
def test_requests_for_work(guard, page, parts, status, sentence):
    found, _, text = ask(guard, '/gradio_api/queue/join', 'POST', parts)
    assert found == status and sentence in text
    assert page.bodies == ([b''.join(parts)] if status == 200 else []), 'handed on whole'


@pytest.mark.parametrize('headers', [{'content-length': str(2 * MIB)}, {}])
def test_uploads_beyond_the_sum_are_refused(guard, vault, tmp_path, page, headers):
    (tmp_path / 'there').write_bytes(bytes(MIB // 2))
    parts = [bytes(MIB // 4)] * 3
    status, _, text = ask(guard, '/gradio_api/upload', 'POST', parts, headers)
    assert status == 413 and 'holds 1 MiB of pictures at most' in text and page.bodies == []
    (tmp_path / 'there').unlink()
    assert ask(guard, '/gradio_api/upload', 'POST', parts)[0] == 200, 'bytes that were refused count no longer'


def test_a_slow_upload_is_ended(guard):
    status, _, text = ask(guard, '/gradio_api/upload', 'POST', [b'x'] * 100, pause=0.1)
    assert status == 408 and text == 'The upload took too long.'


@pytest.mark.parametrize('error', [TypeError('no file'), AssertionError(), OSError(28, 'No space left')])
def test_whatever_the_parser_raises_is_a_sentence(guard, page, error):
    page.error = error
    status, _, text = ask(guard, '/gradio_api/upload', 'POST', [b'x'])
    assert status == 400 and 'choose a picture again' in text


def test_an_upload_that_is_cut_off(guard, page):
    sent = []

    async def receive():
        return {'type': 'http.disconnect'}

    async def send(message):
        sent.append(message)

    scope = dict(type='http', method='POST', path='/gradio_api/upload', query_string=b'', headers=[(b'host', b'[::1]')])
    asyncio.run(guard(scope, receive, send))
    assert sent[0]['status'] == 400 and page.bodies == [] and guard._arriving == 0


def test_sockets_are_closed(guard):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(guard(dict(type='websocket'), None, send))
    assert sent == [{'type': 'websocket.close', 'code': 1008}]


@pytest.mark.parametrize(('address', 'name'), [
    ('//a.example:80', 'a.example'), ('//[::1]:80', '::1'), ('//A.example.', 'a.example'), ('//a:b', None),
    ('//[', None), ('//user@a', None), ('', None), ('null', None),
])
def test_names_of_hosts(address, name):
    assert host_name(address) == name


def test_refusals_let_gradio_clear_away():
    """Its parser removes its part of an upload at this error of Starlette's."""
    from starlette.formparsers import MultiPartException
    assert isinstance(RefusedRequest(400, 'no'), MultiPartException)
