"""The pages that a browser gets. They load nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["graphiql", "reference"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
textarea, pre { font: 13px/1.5 ui-monospace, monospace; width: 100%; box-sizing: border-box }
textarea { height: 14rem } #variables { height: 4rem }
pre { background: #f6f6f6; padding: 1rem; overflow: auto; min-height: 6rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
"""

_SCRIPT = """
const ask = async () => {
  const variables = document.getElementById("variables").value.trim();
  const answer = await fetch(location.pathname, {
    method: "POST", headers: {"Content-Type": "application/json"},
    body: JSON.stringify({query: document.getElementById("query").value,
                          variables: variables ? JSON.parse(variables) : undefined})});
  document.getElementById("answer").textContent =
    answer.status + "\\n" + JSON.stringify(await answer.json(), null, 2);
};
document.getElementById("run").addEventListener("click", ask);
document.addEventListener("keydown", e => { if (e.ctrlKey && e.key === "Enter") ask(); });
"""


def _page(title: str, body: str, script: str = "") -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}<script>{script}</script></body></html>"
    )


def graphiql(service: str) -> str:
    """A page to try queries on."""
    body = (
        '<p><textarea id="query" aria-label="Query">{ __schema { queryType { fields { name } } } }</textarea></p>'
        '<p><textarea id="variables" aria-label="Variables" placeholder="variables, as JSON"></textarea></p>'
        '<p><button id="run">Run</button> or Ctrl-Enter</p><pre id="answer"></pre>'
    )
    return _page(f"GraphiQL: {service}", body, _SCRIPT)


def reference(openapi: dict[str, Any]) -> str:
    """An OpenAPI description as a page."""
    schemas = openapi["components"]["schemas"]
    parts = []
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['summary'])}</p>")
            body = operation.get("requestBody")
            if body:
                name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                required = schemas[name].get("required", ())
                rows = "".join(
                    f"<tr><td>{escape(field)}{' *' if field in required else ''}</td>"
                    f"<td>{escape(str(schema.get('format') or schema['type']))}</td></tr>"
                    for field, schema in schemas[name]["properties"].items()
                )
                parts.append(f"<table><tr><th>field</th><th>type</th></tr>{rows}</table>")
    return _page(openapi["info"]["title"], "".join(parts))
