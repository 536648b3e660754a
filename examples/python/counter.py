#!/usr/bin/env python3
"""The counter from another language: a client made of PROTOCOL.md and the standard library alone.

    counter.py [--sockfile PATH] add N.. | get | watch | close | call METHOD [ARGUMENTS]

It talks to the daemon of examples/counter.rs, which has to run: `cargo run --example counter get`
starts it. ARGUMENTS are JSON, as in `call add '{"n": 2}'`. Results go to standard output, errors to
standard error with exit code 1.
"""

import argparse
import json
import os
import socket
import stat
import struct
import sys

NAME = "autod-counter"
SERVICE = "Counter"

# Greetings: kinds, and tags of fields.
HELLO, ACCEPT, WAIT, CLOSING, REJECT = 1, 2, 3, 4, 5
TAG_SERVICE, TAG_CODEC, TAG_LIMITS, TAG_TEXT = 2, 5, 6, 14

# Frames.
CALL, REPLY, FAIL, ITEMS, END, CREDIT, CANCEL, GOODBYE, SKIP = range(1, 10)
MORE = 1 << 31
PIECE = 65536

# What we receive: bytes of a message, calls (we serve none, but one is the least), bytes of a stream.
LIMITS = struct.pack("<III", 64 << 20, 1, 256 << 10)

FAILURES = {
    1: "there is no such method",
    2: "the arguments are wrong",
    3: "the method panicked",
    4: "the call was cancelled",
    5: "the daemon is closing",
    7: "the daemon is closing",
}


class Failure(Exception):
    """A call failed, and the connection goes on. `value` is the service's own error, if it is one."""

    def __init__(self, text, value=None):
        super().__init__(text)
        self.value = value


def default_socket(name):
    """Where a daemon of this name listens, by its user's runtime directory."""
    uid = os.geteuid()

    def is_ours(path, forbidden):
        try:
            found = os.lstat(path)
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & forbidden

    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and is_ours(runtime, 0o022):
        return os.path.join(runtime, name, "sock")
    if sys.platform == "linux" and is_ours(f"/run/user/{uid}", 0o077):
        return f"/run/user/{uid}/{name}/sock"
    temporary = os.confstr("CS_DARWIN_USER_TEMP_DIR") if sys.platform == "darwin" else "/tmp"
    return os.path.join(temporary, f"{name}-{uid}", "sock")


def peer_uid(stream):
    """The user at the other end, as the kernel says."""
    if sys.platform == "darwin":
        _version, uid = struct.unpack_from("=II", stream.getsockopt(0, 1, 76))  # LOCAL_PEERCRED
    else:
        credentials = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _pid, uid, _gid = struct.unpack("=iII", credentials)
    return uid


def method_id(name):
    """64-bit FNV-1a."""
    number = 0xCBF29CE484222325
    for byte in name.encode():
        number = (number ^ byte) * 0x100000001B3 % 2**64
    return number


class Connection:
    """A connection to a daemon. Several calls may be open at once."""

    def __init__(self, path, service):
        self.stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.stream.connect(path)
        if peer_uid(self.stream) not in (os.geteuid(), 0):
            raise ConnectionError(f"{path} belongs to another user")
        self.waiting = {}  # id of an open call: frames that nobody has taken
        self.pieces = {}  # id of an open call: the beginning of a message
        self._greet(service)

    def _greet(self, service):
        fields = b""
        for tag, value in (
            (TAG_SERVICE, service.encode()),
            (TAG_CODEC, b"json"),
            (TAG_LIMITS, LIMITS),
        ):
            fields += struct.pack("<BI", tag, len(value)) + value
        self.stream.sendall(struct.pack("<5sBBBI", b"AUTOD", 1, HELLO, 0, len(fields)) + fields)
        while True:
            magic, _version, kind, _, length = struct.unpack("<5sBBBI", self._read(12))
            if magic != b"AUTOD":
                raise ConnectionError("whoever listens there is no daemon")
            fields = fields_of(self._read(length))
            if kind == ACCEPT:
                self.most_bytes, self.most_calls, _ = struct.unpack("<III", fields[TAG_LIMITS])
                return
            if kind == CLOSING:
                raise ConnectionError("the daemon is closing; try again")
            if kind != WAIT:
                raise ConnectionError(f"the daemon refused: {fields.get(TAG_TEXT, b'').decode()}")

    def _read(self, length):
        data = bytearray()
        while len(data) < length:
            part = self.stream.recv(length - len(data))
            if not part:
                raise ConnectionError("the daemon hung up")
            data += part
        return bytes(data)

    def _send(self, kind, call, payload=b""):
        """Sends a message in as many pieces as it needs."""
        for start in range(0, len(payload) or 1, PIECE):
            piece = payload[start : start + PIECE]
            more = MORE if start + PIECE < len(payload) else 0
            self.stream.sendall(struct.pack("<II", len(piece) | kind << 24 | more, call) + piece)

    def _receive(self, call):
        """The next message about a call; those about others are kept for them."""
        while not self.waiting[call]:
            word, owner = struct.unpack("<II", self._read(8))
            kind, piece = word >> 24 & 0x7F, self._read(word & 0xFFFFFF)
            if kind == GOODBYE:
                raise ConnectionError(f"the daemon ended the connection: {piece[1:].decode()}")
            message = self.pieces.pop(owner, b"") + piece
            if word & MORE:
                self.pieces[owner] = message
            elif owner in self.waiting:
                self.waiting[owner].append((kind, message))
        kind, payload = self.waiting[call].pop(0)
        if kind in (REPLY, FAIL, END):
            del self.waiting[call]  # The slot is free again.
        if kind == FAIL:
            raise failure(payload)
        return kind, payload

    def begin(self, method, arguments=None):
        """Sends a call without waiting for its answer. Arguments are a dict, or a list in order.

        Whoever has many long calls open must read answers meanwhile; see "Closing" in PROTOCOL.md.
        """
        text = b"" if arguments is None else json.dumps(arguments).encode()
        if len(text) > self.most_bytes:
            raise Failure("the arguments are larger than the daemon receives")
        free = (slot for slot in range(self.most_calls) if slot * 2 not in self.waiting)
        slot = next(free, None)
        if slot is None:
            raise Failure("there are more calls than the daemon receives")
        self.waiting[slot * 2] = []
        self._send(CALL, slot * 2, struct.pack("<QB", method_id(method), 0) + text)
        return slot * 2

    def answer(self, call):
        """The answer of a call that was begun."""
        kind, payload = self._receive(call)
        if kind != REPLY:
            raise ConnectionError("this method answers with a stream")
        return json.loads(payload)

    def call(self, method, arguments=None):
        return self.answer(self.begin(method, arguments))

    def stream_of(self, method, arguments=None):
        """The items of a method that answers with a stream."""
        call = self.begin(method, arguments)
        try:
            while True:
                kind, payload = self._receive(call)
                if kind == END:
                    return
                if kind == ITEMS:
                    # One JSON text on each line.
                    yield from map(json.loads, payload[4:].splitlines())
                    self._send(CREDIT, call, struct.pack("<I", len(payload)))
                elif kind != SKIP:
                    raise ConnectionError("this method does not answer with a stream")
        except GeneratorExit:
            if call in self.waiting:
                self._send(CANCEL, call)
                self._drain(call)
            raise

    def _drain(self, call):
        """The slot of a cancelled call is free when its last frame is here."""
        while call in self.waiting:
            try:
                self._receive(call)
            except Failure:
                pass

    def close(self):
        self.stream.close()


def fields_of(data):
    """The fields of a greeting by their tags."""
    fields, at = {}, 0
    while at < len(data):
        tag, length = struct.unpack_from("<BI", data, at)
        at += 5 + length
        fields[tag] = data[at - length : at]
    return fields


def failure(payload):
    code, data = payload[0], payload[1:]
    if code == 0:
        value = json.loads(data)
        return Failure(value if isinstance(value, str) else json.dumps(value), value)
    text = data.decode()
    reason = FAILURES.get(code, f"the call failed with code {code}")
    return Failure(f"{reason}: {text}" if text else reason)


def main():
    usage = argparse.ArgumentParser(description="Talks to the daemon of examples/counter.rs.")
    usage.add_argument("--sockfile", default=default_socket(NAME))
    commands = usage.add_subparsers(dest="command", required=True)
    commands.add_parser("add").add_argument("n", type=int, nargs="+")
    for name in ("get", "watch", "close"):
        commands.add_parser(name)
    call = commands.add_parser("call")
    call.add_argument("method")
    call.add_argument("arguments", type=json.loads, nargs="?")
    given = usage.parse_args()

    counter = Connection(given.sockfile, SERVICE)
    if given.command == "add":
        # All are on their way before the first is answered.
        for call in [counter.begin("add", {"n": n}) for n in given.n]:
            print(counter.answer(call))
    elif given.command == "watch":
        for total in counter.stream_of("watch"):
            print(total, flush=True)
    elif given.command == "call":
        print(json.dumps(counter.call(given.method, given.arguments)))
    else:
        answer = counter.call(given.command)
        if answer is not None:
            print(answer)
    counter.close()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, Failure) as error:
        print(f"counter.py: {error}", file=sys.stderr)
        sys.exit(1)
