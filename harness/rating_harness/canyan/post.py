"""``python -m rating_harness.canyan.post URL FILE``: send the JSON in a file, and print what came back, as JSON.

It runs inside a lab, whose network the harness's own process isn't in.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx

__all__ = ["main"]


def main(url: str, body: str) -> dict[str, object]:
    try:
        answer = httpx.post(
            url, content=Path(body).read_bytes(), headers={"content-type": "application/json"}, timeout=30
        )
    except httpx.HTTPError as error:
        return {"error": str(error) or type(error).__name__}
    return {"status": answer.status_code, "text": answer.text}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
