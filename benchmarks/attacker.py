"""A program of the lab's that attacks Kamailio: a caller, a stranger and a carrier of one mind. Run by attack.py.

    python attacker.py HOST KAMAILIO SEED SECONDS RATE ACCOUNTS

Each attack is made by a grammar: a call of an account of its own, whatever its headers say; a request within one of
its calls, from either end or from a stranger, with whatever URI, CSeq, tags, Route and Contact; a message once more,
late, or with octets changed; a response to nothing. What it has done, and what came of it, is printed as JSON.
"""

from __future__ import annotations

import json
import random
import re
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

NUMBER = "99040123456"
METHODS = ("BYE", "BYE", "INVITE", "UPDATE", "INFO", "ACK", "REFER", "CANCEL", "PRACK", "OPTIONS", "REGISTER", "ODD")
ODD = ("a\x00b", "x" * 1200, "\x01", "(a)", 'a"b', "%00", "<sip:x>", "\xff\xfe", ";did=1.2", "a\r\n 1(2) ALERT: b")
CSEQS = (0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1, 2**32, -1)
FINALS = ("200 OK", "200 OK", "200 OK", "486 Busy Here", "500 Server Internal Error", "302 Moved Temporarily")
STILL_LISTENS = 10.0
"""Seconds for which it answers when it no longer attacks: its calls are cut by then."""


@dataclass
class Dialog:
    """One of its own calls, as its caller knows it."""

    call_id: str
    caller: str
    callee: str
    target: str
    routes: tuple[str, ...]
    cseq: int


@dataclass
class Attacker:
    host: str
    kamailio: str
    chance: random.Random
    accounts: int
    kinds: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    reached: set[str] = field(default_factory=set)
    hung_up: set[str] = field(default_factory=set)
    dialogs: list[Dialog] = field(default_factory=list)
    past: list[bytes] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        self.carrier, self.caller, self.stranger = (self._socket(port) for port in (5060, 5070, 5080))

    def _socket(self, port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((self.host, port))
        return made

    def run(self, seconds: float, rate: float) -> None:
        begun = time.monotonic()
        sent = 0
        while (now := time.monotonic() - begun) < seconds + STILL_LISTENS:
            if now < seconds and sent < now * rate:
                self.attack()
                sent += 1
                self.listen(0)
            else:
                self.listen(1 / rate)

    def attack(self) -> None:
        kind = self.chance.choices(
            ("call", "within", "once more", "changed", "response"), (4, 8 if self.dialogs else 0, 2, 2, 1)
        )[0]
        if kind in ("once more", "changed") and not self.past:
            kind = "call"
        self.kinds[kind] += 1
        sender, data = getattr(self, f"_{kind.replace(' ', '_')}")()
        self.past = [*self.past[-200:], data]
        sender.sendto(data[:60_000], (self.kamailio, 5060))

    def _once_more(self) -> tuple[socket.socket, bytes]:
        return self.chance.choice((self.caller, self.stranger)), self.chance.choice(self.past)

    def _changed(self) -> tuple[socket.socket, bytes]:
        data = bytearray(self.chance.choice(self.past))
        for _ in range(self.chance.randint(1, 4)):
            data[self.chance.randrange(len(data))] = self.chance.choice((0, 10, 32, 44, 58, 60, 255, 48))
        return self.caller, bytes(data)

    def _response(self) -> tuple[socket.socket, bytes]:
        data = self.chance.choice(self.past) if self.past else b"OPTIONS sip:x SIP/2.0\r\n\r\n"
        status = self.chance.choice((100, 180, 200, 302, 404, 487, 603))
        return self.stranger, b"SIP/2.0 %d X\r\n" % status + data.partition(b"\r\n")[2]

    def _call(self) -> tuple[socket.socket, bytes]:
        self.calls += 1
        number = self.calls
        account = f"m{self.chance.randrange(self.accounts)}"
        headers = {
            "Via": f"SIP/2.0/UDP {self.host}:5070;branch=z9hG4bK-call-{number}",
            "Max-Forwards": "70",
            "From": f"<sip:{account}@sip.test>;tag=a{number}",
            "To": f"<sip:{NUMBER}@sip.test>",
            "Call-ID": f"attack-{number}@sip.test",
            "CSeq": "1 INVITE",
            "Contact": f"<sip:m@{self.host}:5070>",
            "Content-Length": "0",
        }
        uri = f"sip:{NUMBER}@sip.test"
        if self.chance.random() < 0.5:
            uri = self._spoil(headers, uri)
        return self.caller, _text(f"INVITE {uri} SIP/2.0", headers)

    def _spoil(self, headers: dict[str, str], uri: str) -> str:
        what = self.chance.randrange(9)
        odd = self.chance.choice(ODD)
        if what == 0:
            headers["Call-ID"] += odd
        elif what == 1:
            headers["CSeq"] = f"{self.chance.choice(CSEQS)} INVITE"
        elif what == 2:
            headers["To"] = f"<sip:{NUMBER}{odd}@sip.test>"
        elif what == 3:
            uri += self.chance.choice((";maddr=127.0.0.1", "?Route=%3Csip:x%3E", ";rn=1", ";transport=tcp"))
        elif what == 4:
            headers["Route"] = self.chance.choice((f"<sip:{self.host}:5060;lr>", "<sip:carrier:5060;lr>"))
        elif what == 5:
            headers["Contact"] = self.chance.choice(("*", "<tel:1>", "<sip:x@127.0.0.1:9>", "<sip:a>, <sip:b>"))
        elif what == 6:
            headers.pop(self.chance.choice(list(headers)))
        elif what == 7:
            headers[self.chance.choice(("X-Odd", "Subject", "Require", "Proxy-Require"))] = odd
        else:
            headers["Call-ID"] = f"attack-{self.chance.randint(1, self.calls)}@sip.test"
        return uri

    def _within(self) -> tuple[socket.socket, bytes]:
        dialog = self.chance.choice(self.dialogs[-40:])
        method = self.chance.choice(METHODS)
        dialog.cseq += 1
        number = self.chance.choice((dialog.cseq, dialog.cseq, dialog.cseq, self.chance.choice(CSEQS)))
        ends = [dialog.caller, dialog.callee]
        if self.chance.random() < 0.3:
            ends.reverse()
        sender = self.chance.choice((self.caller, self.caller, self.stranger, self.carrier))
        headers = {
            "Via": f"SIP/2.0/UDP {self.host}:{sender.getsockname()[1]};branch=z9hG4bK-w{self.chance.random()}",
            "Max-Forwards": self.chance.choice(("70", "70", "70", "0")),
            "Route": self.chance.choice((", ".join(dialog.routes), f"<sip:{self.kamailio};lr>", "")),
            "From": ends[0],
            "To": ends[1],
            "Call-ID": dialog.call_id,
            "CSeq": f"{number} {method}",
            "Contact": self.chance.choice((f"<sip:m@{self.host}:5070>", "<sip:x@127.0.0.1:9>", "<tel:1>", "")),
            "Require": self.chance.choice(("", "", "", "nonsense")),
            "Content-Length": "0",
        }
        uri = self.chance.choice((dialog.target, dialog.target, f"sip:m@{self.host}:5070", "sip:x@127.0.0.1:9"))
        return sender, _text(f"{method} {uri} SIP/2.0", {name: value for name, value in headers.items() if value})

    # --- what comes in

    def listen(self, seconds: float) -> None:
        ready = select.select([self.carrier, self.caller, self.stranger], [], [], seconds)[0]
        for each in ready:
            try:
                data, source = each.recvfrom(65535)
            except ConnectionError:
                continue
            text = data.decode("latin-1")
            if text.startswith("SIP/2.0 "):
                self._reply(text)
            elif each is self.carrier and text.startswith("INVITE ") and not _tag(text, "To"):
                self.reached.add(_header(text, "Call-ID"))
                self.arrived["INVITE"] += 1
                self._answer(each, source, text, self.chance.choice(FINALS))
            elif not text.startswith("ACK "):
                method = text.split(" ")[0]
                self.arrived[f"{method} within"] += 1
                if method == "BYE" and each is self.carrier:
                    self.hung_up.add(_header(text, "Call-ID"))
                self._answer(each, source, text, "200 OK")

    def _answer(self, each: socket.socket, source: tuple[str, int], text: str, status: str) -> None:
        kept = re.findall(r"^((?:Via|Record-Route|From|Call-ID|CSeq): .*)$", text, re.MULTILINE)
        to = _header(text, "To")
        to += "" if _tag(text, "To") else f";tag=c{self.chance.random()}"
        port = each.getsockname()[1]
        lines = [f"SIP/2.0 {status}", *(line.strip() for line in kept), f"To: {to}"]
        lines += [f"Contact: <sip:m@{self.host}:{port}>", "Content-Length: 0", "", ""]
        each.sendto("\r\n".join(lines).encode("latin-1"), source)

    def _reply(self, text: str) -> None:
        status = text[8:11]
        self.replies[status] += 1
        if _header(text, "CSeq").endswith("INVITE") and status == "200" and "tag=a" in _header(text, "From"):
            target = re.search(r"<(.*?)>", _header(text, "Contact"))
            routes = tuple(reversed(re.findall(r"^Record-Route: (.*?)\r?$", text, re.MULTILINE)))
            caller, callee = _header(text, "From"), _header(text, "To")
            if target is None:
                return
            number = int(re.sub(r"\D", "", _header(text, "CSeq")) or 1)
            dialog = Dialog(_header(text, "Call-ID"), caller, callee, target[1], routes, number)
            if dialog.call_id not in {each.call_id for each in self.dialogs}:
                self.dialogs.append(dialog)
            ack = {
                "Via": f"SIP/2.0/UDP {self.host}:5070;branch=z9hG4bK-ack{self.chance.random()}",
                "Max-Forwards": "70",
                "Route": ", ".join(routes),
                "From": caller,
                "To": callee,
                "Call-ID": dialog.call_id,
                "CSeq": f"{number} ACK",
                "Content-Length": "0",
            }
            self.caller.sendto(_text(f"ACK {target[1]} SIP/2.0", ack), (self.kamailio, 5060))


def _text(start: str, headers: dict[str, str]) -> bytes:
    return "\r\n".join([start, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode("latin-1")


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(.*?)[ \t]*\r?$", text, re.MULTILINE)
    return found[1] if found else ""


def _tag(text: str, name: str) -> str:
    found = re.search(r";tag=([^;\s]+)", _header(text, name))
    return found[1] if found else ""


def main() -> None:
    host, kamailio, seed, seconds, rate, accounts = sys.argv[1:]
    attacker = Attacker(host, kamailio, random.Random(int(seed)), int(accounts))
    attacker.run(float(seconds), float(rate))
    done = {"attacks": attacker.kinds, "replies": attacker.replies, "arrived": attacker.arrived}
    sys.stdout.write(
        json.dumps(
            {
                **done,
                "reached": sorted(attacker.reached),
                "hung_up": sorted(attacker.hung_up),
                "dialogs": len(attacker.dialogs),
            }
        )
    )


if __name__ == "__main__":
    main()
