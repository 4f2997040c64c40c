"""A program of the lab's that sends many INVITEs, or OPTIONS that it times. Run by flood.py.

    python flooder.py flood|options KAMAILIO ADDRESS,ADDRESS... RATE WAIT SECONDS

After WAIT seconds it sends RATE requests a second, for SECONDS, from each address in turn. An INVITE's replies are
counted, and not acknowledged. Of each OPTIONS it's said when it was sent, and after how many seconds its 200 came.
Printed as JSON.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter

PORT = 5060
STILL_LISTENS = 5.0
"""Seconds for which answers are awaited when no more is sent."""


def request(method: str, host: str, number: int) -> bytes:
    to = "<sip:39040123456@sip.test>" if method == "INVITE" else "<sip:kamailio@sip.test>"
    uri = to[1:-1]
    return "\r\n".join(
        (
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{PORT};branch=z9hG4bK-{number}",
            "Max-Forwards: 70",
            f"From: <sip:flood@sip.test>;tag=f{number}",
            f"To: {to}",
            f"Call-ID: flood-{host}-{number}@sip.test",
            f"CSeq: 1 {method}",
            f"Contact: <sip:flood@{host}:{PORT}>",
            "Content-Length: 0",
            "",
            "",
        )
    ).encode()


def send(
    method: str, kamailio: str, addresses: list[str], rate: float, wait: float, seconds: float
) -> dict[str, object]:
    sockets: list[socket.socket] = []
    for each in addresses:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        made.bind((each, PORT))
        sockets.append(made)
    replies: Counter[str] = Counter()
    sent: dict[int, float] = {}
    took: dict[int, float] = {}
    begun = time.monotonic() + wait
    while (now := time.monotonic() - begun) < seconds + STILL_LISTENS:
        if now < seconds and len(sent) < now * rate:
            number = len(sent)
            chosen = sockets[number % len(sockets)]
            sent[number] = now
            chosen.sendto(request(method, addresses[number % len(sockets)], number), (kamailio, PORT))
            pause = 0.0
        else:
            pause = 0.5 / rate
        for ready in select.select(sockets, [], [], pause)[0]:
            data = ready.recv(65535).decode("latin-1")
            if data.startswith("SIP/2.0 "):
                replies[data[8:11]] += 1
                number = int(data.partition(";branch=z9hG4bK-")[2].partition("\r")[0].partition(";")[0])
                took.setdefault(number, time.monotonic() - begun - sent[number])
    answers = [(when, took.get(number)) for number, when in sent.items()] if method == "OPTIONS" else []
    return {"sent": len(sent), "seconds": max(sent.values(), default=0.0), "replies": replies, "answers": answers}


def main() -> None:
    what, kamailio, addresses, rate, wait, seconds = sys.argv[1:]
    method = "INVITE" if what == "flood" else "OPTIONS"
    sys.stdout.write(json.dumps(send(method, kamailio, addresses.split(","), *map(float, (rate, wait, seconds)))))


if __name__ == "__main__":
    main()
