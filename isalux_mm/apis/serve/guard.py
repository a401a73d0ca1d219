"""What a request may ask of the page: by its host, its origin, its path, its cookie, its size and its pace (ASGI)."""
import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.formparsers import MultiPartException

from isalux_mm.apis.serve.vault import Vault
from isalux_mm.apis.serve.workbench import MIB, Limits

LOCAL_NAMES = ('localhost', '127.0.0.1', '::1')
JOIN_BYTES = 2**20  # ours: of a request that starts work; pictures are uploaded beside it
SEND_SECONDS = 60  # ours: in which a part of an answer must be taken
COOKIE = 'isalux-page'
API = '/gradio_api'
UPLOAD, JOIN, FILE = f'{API}/upload', f'{API}/queue/join', f'{API}/file='
HEARTBEAT, DATA = f'{API}/heartbeat/', f'{API}/queue/data'
# all that the page asks for; Gradio answers much more, such as a proxy to other machines
GET_PATHS = ('/', '/config', '/theme.css', '/favicon.ico', '/manifest.json', '/robots.txt', DATA,
             f'{API}/upload_progress', f'{API}/startup-events', f'{API}/theme.css', f'{API}/info', f'{API}/app_id')
GET_BEGINNINGS = ('/static/', '/assets/', '/svelte/', FILE, HEARTBEAT)
HEADERS = {
    'content-security-policy': "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin', 'cross-origin-opener-policy': 'same-origin',
}  # scripts and styles of Gradio's page are inline
DROPPED = (b'access-control-', b'server')  # beginnings of headers that are not sent: nobody else may read

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class RefusedRequest(MultiPartException):  # Gradio removes its part of an upload at Starlette's error
    """A request that is answered by a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Guard:
    """Stands ahead of the page and lets through what it is for.

    Args:
        app: the page.
        vault: knows whose files are.
        limits: of uploads.
        hosts: names under which the page may be asked for, beside this machine's own.
        root_path: under which a reverse proxy shows it.
        cookie: name of the one that tells visitors apart; other pages of this machine need other names.
    """

    def __init__(self, app: App, vault: Vault, limits: Limits, *, hosts: Iterable[str] = (), root_path: str = '',
                 cookie: str = COOKIE):
        self.app, self.vault, self.limits, self.root_path = app, vault, limits, root_path
        self.named = frozenset(name.strip('[]').lower() for name in hosts)
        self.cookie = cookie
        self._arriving = 0  # bytes of uploads under way

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope['type'] == 'lifespan':
            await self.app(scope, receive, send)
            return
        if scope['type'] != 'http':  # the page opens no sockets
            await send({'type': 'websocket.close', 'code': 1008})
            return
        secret, outgoing = self._secret(scope), Outgoing(send)
        incoming = Incoming(receive, self.limits.upload_seconds)
        try:
            self._check_names(scope)
            path = self._path(scope)
            if scope['method'] in ('GET', 'HEAD') and path == '/' and secret is None:
                secret = secrets.token_urlsafe(32)
                outgoing.cookie = f'{self.cookie}={secret}; Path={self.root_path or "/"}; HttpOnly; SameSite=Lax'
            visitor = self.vault.visitor(secret)
            scope = dict(scope, path=path, raw_path=path.encode(), root_path='')
            if scope['method'] in ('GET', 'HEAD'):
                self._check_get(scope, visitor)
                await self.app(scope, receive, outgoing)
            elif scope['method'] == 'POST' and path == UPLOAD:
                await self._upload(scope, incoming, outgoing, visitor)
            elif scope['method'] == 'POST' and path == JOIN:
                await self._join(scope, incoming, outgoing, visitor)
            else:
                raise RefusedRequest(404, 'There is nothing here.')
        except RefusedRequest as refusal:
            if not outgoing.begun:
                await incoming.drain()  # else the connection would be reset, and the sentence lost
                await answer(outgoing, refusal.status, refusal.message)

    def _secret(self, scope: MutableMapping[str, Any]) -> str | None:
        try:
            found = SimpleCookie(header(scope, b'cookie') or '').get(self.cookie)
        except CookieError:
            return None
        return found.value if found and found.value else None

    def _check_names(self, scope: MutableMapping[str, Any]) -> None:
        """Host and origin: a name of somebody else's that leads here is none of ours (DNS rebinding)."""
        host, origin = header(scope, b'host') or '', header(scope, b'origin')
        name = host_name(f'//{host}')
        if name is None or name not in LOCAL_NAMES and name not in self.named:
            raise RefusedRequest(400, f'This page is not served under the name {host[:100]!r}: start it with '
                                      '--allow-host NAME.')
        if origin is None:
            return
        asking = host_name(origin)
        if asking is None or asking not in self.named and urlsplit(origin).netloc.lower() != host.lower():
            raise RefusedRequest(403, f'This page takes no requests from {origin[:100]!r}.')

    def _path(self, scope: MutableMapping[str, Any]) -> str:
        """Without the prefix of a proxy that leaves it on."""
        path: str = scope['path']
        if self.root_path and (path == self.root_path or path.startswith(f'{self.root_path}/')):
            path = path[len(self.root_path):] or '/'
        return path

    def _check_get(self, scope: MutableMapping[str, Any], visitor: str) -> None:
        path = scope['path']
        if path not in GET_PATHS and not path.startswith(GET_BEGINNINGS):
            raise RefusedRequest(404, 'There is nothing here.')
        if path.startswith(FILE) and not self.vault.may_use(path[len(FILE):], visitor):
            raise RefusedRequest(403, 'This file is not yours, or no longer here.')
        if path == DATA:
            session = parse_qs(scope['query_string'].decode('latin-1')).get('session_hash', [''])[0]
        elif path.startswith(HEARTBEAT):
            session = path[len(HEARTBEAT):]
        else:
            return
        if not self.vault.may_join(session, visitor):
            raise RefusedRequest(403, 'This session is not yours.')

    async def _join(self, scope: MutableMapping[str, Any], incoming: 'Incoming', send: Send, visitor: str) -> None:
        content = await incoming.content(JOIN_BYTES)
        try:
            session = json.loads(content)['session_hash']
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RefusedRequest(400, 'The request names no session.') from error
        if not isinstance(session, str) or not self.vault.may_join(session, visitor):
            raise RefusedRequest(403, 'This session is not yours.')
        await self.app(scope, incoming.again(content), send)

    async def _upload(self, scope: MutableMapping[str, Any], incoming: 'Incoming', send: Send, visitor: str) -> None:
        """Lets an upload through, counts its bytes as they come, and notes whose it is."""
        length = header(scope, b'content-length') or ''
        room = self.limits.max_total_mb * MIB - self._arriving - await asyncio.to_thread(self.vault.bytes)
        full = (f'The page holds {self.limits.max_total_mb} MiB of pictures at most; files are removed after '
                f'{self.limits.keep_minutes} minutes: try again later, or with fewer.')
        if length.isdigit() and int(length) > room:
            raise RefusedRequest(413, full)
        kept = Kept()
        counted = 0

        async def receive() -> Message:
            nonlocal counted
            message = await incoming()
            if message['type'] == 'http.disconnect':
                raise RefusedRequest(400, 'The upload was cut off.')
            size = len(message.get('body', b''))
            counted, self._arriving = counted + size, self._arriving + size
            if counted > room:
                raise RefusedRequest(413, full)
            return message

        try:
            await self.app(scope, receive, kept)
        except RefusedRequest:
            raise
        except Exception as error:  # whatever Gradio's parser raises: a file without a name, a broken request
            raise RefusedRequest(400, NO_FILE) from error
        finally:
            self._arriving -= counted
        if incoming.refusal is not None:
            raise incoming.refusal
        if kept.status >= 500:
            raise RefusedRequest(400, NO_FILE)
        if kept.status == 200:
            self.vault.claim(json.loads(kept.body), visitor)
        await kept.pass_on(send)


NO_FILE = 'The upload holds no file with a name, or cannot be read: choose a picture again.'


class Incoming:
    """The body of a request, which must come within a time.

    Args:
        receive: ASGI's.
        seconds: for all of it.
    """

    def __init__(self, receive: Receive, seconds: float):
        self.receive, self.end = receive, time.monotonic() + seconds
        self.refusal: RefusedRequest | None = None
        self._whole = False

    async def __call__(self) -> Message:
        """The next part; without a limit once all has come, where the next message is the end of the connection."""
        if self._whole:
            return await self.receive()
        try:
            message = await asyncio.wait_for(self.receive(), max(self.end - time.monotonic(), 0.001))
        except (asyncio.TimeoutError, TimeoutError):
            self.refusal = RefusedRequest(408, 'The upload took too long.')
            raise self.refusal from None
        self._whole = message['type'] == 'http.request' and not message.get('more_body', False)
        return message

    async def content(self, limit: int) -> bytes:
        """All of it, at most so many bytes."""
        parts: list[bytes] = []
        while not self._whole:
            message = await self()
            if message['type'] == 'http.disconnect':
                raise RefusedRequest(400, 'The request was cut off.')
            parts.append(message.get('body', b''))
            if sum(map(len, parts)) > limit:
                raise RefusedRequest(413, 'The request is too large.')
        return b''.join(parts)

    async def drain(self) -> None:
        """Takes what still comes, and drops it, within the time."""
        with suppress(RefusedRequest):
            while not self._whole and (await self())['type'] == 'http.request':
                pass

    def again(self, content: bytes) -> Receive:
        """A body that was read, to be read once more."""
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                return await self.receive()
            given = True
            return {'type': 'http.request', 'body': content, 'more_body': False}

        return receive


class Outgoing:
    """An answer with the headers of every answer, to a client that takes it in time.

    Attributes:
        cookie: to be set.
        begun: whether the answer has begun.
    """

    def __init__(self, send: Send):
        self.send = send
        self.cookie: str | None = None
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Sends a part."""
        if message['type'] == 'http.response.start':
            self.begun = True
            kept = [(k, v) for k, v in message.get('headers', ()) if not k.lower().startswith(DROPPED)]
            own = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
            own += [(b'set-cookie', self.cookie.encode())] if self.cookie else []
            message = dict(message, headers=[*kept, *own])
        await asyncio.wait_for(self.send(message), SEND_SECONDS)


class Kept:
    """An answer that is kept until it is decided upon."""

    def __init__(self) -> None:
        self.status, self.body = 500, b''
        self._messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        """Keeps a part."""
        self._messages.append(message)
        self.status = message.get('status', self.status)
        self.body += message.get('body', b'')

    async def pass_on(self, send: Send) -> None:
        """Sends all parts."""
        for message in self._messages:
            await send(message)


async def answer(send: Send, status: int, sentence: str) -> None:
    """Sends a sentence, and ends the connection."""
    await send({'type': 'http.response.start', 'status': status,
                'headers': [(b'content-type', b'text/plain; charset=utf-8'), (b'connection', b'close')]})
    await send({'type': 'http.response.body', 'body': sentence.encode()})


def header(scope: MutableMapping[str, Any], name: bytes) -> str | None:
    """The value of a header that is there once; of several, none that fits anything."""
    values = [value for key, value in scope['headers'] if key.lower() == name]
    return ', '.join(value.decode('latin-1') for value in values) if values else None


def host_name(address: str) -> str | None:
    """The host of an address in lower case, `None` where it has none."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  # raises where it is no number
        return None if parts.username is not None or not parts.hostname else parts.hostname.rstrip('.')
    except ValueError:
        return None
