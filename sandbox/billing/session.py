"""One client's session, relayed to the real server: every statement noted, and spoilt where the control says so."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from dataclasses import replace
from typing import Final

from sandbox.billing import parameters, wire
from sandbox.billing.mixup import Mixup
from sandbox.billing.upstream import Streams
from sandbox.control import Control, Mode

FLOOD_BYTES: Final = 256 * 1024 * 1024
"""How much of one repeated row a statement is answered with where the answer shall be huge."""

_FLOOD_CHUNK_BYTES: Final = 256 * 1024

FAILURES: Final = {
    Mode.ERROR: wire.error("XX000", "cache lookup failed for relation 16412"),
    Mode.THROTTLE: wire.error("53300", "sorry, too many clients already"),
}
_CANCELLED: Final = wire.error("57014", "canceling statement due to user request")

_NOWHERE: Final = "no such portal"
"""An Execute of it fails in the server itself, at the right place of the protocol; only the reason is exchanged."""

_TARGET: Final = re.compile(r"\b(?:from|into|update|table)\s+([a-z_][\w.]*)", re.IGNORECASE)


def operation(sql: str) -> str:
    """A statement's verb and first table: `SELECT clm_hdr`."""
    verb = sql.split(maxsplit=1)[0].upper() if sql.strip() else "EMPTY"
    target = _TARGET.search(sql)
    return f"{verb} {target[1]}" if target else verb


class Session:
    """A logged-in client and its connection to the server."""

    def __init__(self, tenant: str, control: Control, mixup: Mixup, client: Streams, server: Streams) -> None:
        self._tenant = tenant
        self._control = control
        self._mixup = mixup
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._statements: dict[str, wire.Parse] = {}
        self._portals: dict[str, wire.Bind] = {}
        self._described: deque[str] = deque()
        self._failure: wire.Message | None = None
        self._flooding = False
        self._delay: asyncio.Event | None = None
        self.key = b""
        """The server's process id and secret, by which a cancel request names this session."""

    async def run(self) -> None:
        """Relay until either side is done. Raises what ended it: EOFError, OSError."""
        pumps = [asyncio.ensure_future(self._pump_requests()), asyncio.ensure_future(self._pump_answers())]
        try:
            ended, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        for pump in ended:
            pump.result()

    def cancel(self) -> bool:
        """Cut a delay short, so that its statement fails as cancelled; False where none is under way."""
        if self._delay is None:
            return False
        self._delay.set()
        return True

    async def _pump_requests(self) -> None:
        async for messages in wire.read_messages(self._from_client):
            self._to_server.write(b"".join([(await self._request(message)).encode() for message in messages]))
            await self._to_server.drain()

    async def _request(self, message: wire.Message) -> wire.Message:
        """What the server is to get for a client's message. Names that nobody knows are the server's to complain of."""
        match message.kind:
            case b"P":
                statement = wire.Parse.decode(message.body)
                self._statements[statement.name] = statement
            case b"C" if message.body[:1] == b"S":
                self._statements.pop(_name(message.body[1:]), None)
            case b"D" if message.body[:1] == b"S":
                self._described.append(_name(message.body[1:]))
            case b"B":
                return self._bound(wire.Bind.decode(message.body)).encode()
            case b"E" if bind := self._portals.get(_name(message.body)):
                if parse := self._statements.get(bind.statement):
                    self._note(parse.sql, _arguments(bind, parse))
                return await self._spoilt(message, wire.execute(_NOWHERE))
            case b"Q":
                self._note(_name(message.body), [])
                return await self._spoilt(message, wire.query(f'execute "{_NOWHERE}"'))
        return message

    def _bound(self, bind: wire.Bind) -> wire.Bind:
        """Keep the portal as the client meant it; answer what the server shall take it for."""
        self._portals[bind.portal] = bind
        statement = self._statements.get(bind.statement)
        if self._control.mode is not Mode.WRONG_PATIENT or statement is None:
            return bind
        values = [
            self._swapped(value) if value and parameters.is_text_array(oid) and bind.is_binary(index) else value
            for index, (value, oid) in enumerate(zip(bind.values, _types(bind, statement), strict=True))
        ]
        return replace(bind, values=tuple(values))

    def _swapped(self, array: bytes) -> bytes:
        asked = [item.decode() for item in parameters.items(array) if item is not None]
        return parameters.text_array(self._mixup.swap(asked))

    def _note(self, sql: str, arguments: list[parameters.Argument]) -> None:
        """Record a statement; what a driver asks of its own session is no question to the billing system."""
        what = operation(sql)
        if not what.startswith(("SHOW", "SELECT pg_")):
            self._control.record(self._tenant, what, {"sql": sql, "arguments": arguments})

    async def _spoilt(self, message: wire.Message, failing: wire.Message) -> wire.Message:
        mode = self._control.mode
        self._flooding = mode is Mode.HUGE
        if mode is Mode.RESET:
            self._to_client.transport.abort()
            raise ConnectionResetError
        if mode is Mode.SLOW and await self._delayed(self._control.seconds):
            self._failure = _CANCELLED
            return failing
        if mode in FAILURES:
            self._failure = FAILURES[mode]
            return failing
        return message

    async def _delayed(self, seconds: float) -> bool:
        """Wait; True where the client cancelled meanwhile."""
        self._delay = asyncio.Event()
        try:
            await asyncio.wait_for(self._delay.wait(), seconds)
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._delay = None

    async def _pump_answers(self) -> None:
        async for messages in wire.read_messages(self._from_server):
            answers = [self._answer(message) for message in messages]
            if self._flooding:
                await self._flood(answers)
            else:
                self._to_client.write(b"".join([answer.encode() for answer in answers]))
                await self._to_client.drain()

    def _answer(self, message: wire.Message) -> wire.Message:
        match message.kind:
            case b"K":
                self.key = message.body
            case b"t" if self._described:
                if statement := self._statements.get(name := self._described.popleft()):
                    self._statements[name] = replace(statement, types=wire.parameter_types(message.body))
            case b"Z":
                self._described.clear()
            case b"E" if self._failure:
                message, self._failure = self._failure, None
        return message

    async def _flood(self, answers: list[wire.Message]) -> None:
        """Give every row more often than anyone can want."""
        for answer in answers:
            chunk = answer.encode()
            times = 1
            if answer.kind == b"D":
                chunk *= _FLOOD_CHUNK_BYTES // len(chunk) + 1
                times = FLOOD_BYTES // len(chunk)
            for _ in range(times):
                self._to_client.write(chunk)
                await self._to_client.drain()


def _name(text: bytes) -> str:
    return text.split(b"\0", 1)[0].decode()


def _types(bind: wire.Bind, statement: wire.Parse) -> tuple[int, ...]:
    """The parameters' type oids, zeros where the server hasn't told them."""
    return statement.types if len(statement.types) == len(bind.values) else (0,) * len(bind.values)


def _arguments(bind: wire.Bind, statement: wire.Parse) -> list[parameters.Argument]:
    return [
        parameters.decode(value, oid, binary=bind.is_binary(index))
        for index, (value, oid) in enumerate(zip(bind.values, _types(bind, statement), strict=True))
    ]
