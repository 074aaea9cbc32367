"""`/explorer`: GraphiQL as Strawberry brings it, pointed at `/graphql`, with its scripts served from here.

The page that ships loads them from a content delivery network: without the internet it stays at "Loading…", and with
it a third party's code would run beside the user's token. `scripts/explorer-assets` fetches them; the page's own
integrity hashes are kept and checked by the browser.
"""

import re
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from strawberry.http.ides import get_graphql_ide_html

FILES = Path(__file__).parent.parent / "static" / "explorer"
_NETWORK = "https://unpkg.com/"
_HERE = "/explorer/assets/"
_ITS_OWN_ADDRESS = 'window.location.href.split("?")[0]'
_TYPES = {".js": "text/javascript", ".css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src blob:"
)


@cache
def wanted() -> frozenset[str]:
    """What the page loads, as `package@version/file`."""
    return frozenset(re.findall(rf'"{re.escape(_NETWORK)}([^"]+)"', get_graphql_ide_html("graphiql")))


def _file(path: str) -> Path:
    return FILES / f"{path.replace('/', '_')}.gz"


@cache
def _page() -> str:
    html = get_graphql_ide_html("graphiql")
    missing = [path for path in wanted() if not _file(path).exists()]
    if _ITS_OWN_ADDRESS not in html or missing:
        raise RuntimeError("Strawberry's GraphiQL page has changed. Run scripts/explorer-assets and look at the page.")
    html = html.replace(_ITS_OWN_ADDRESS, 'new URL("/graphql", window.location.href).href')
    return html.replace(_NETWORK, _HERE)


async def explorer(_request: Request) -> Response:
    """The page."""
    return HTMLResponse(_page(), headers={"content-security-policy": _POLICY})


async def asset(request: Request) -> Response:
    """A script or style of the page; the version is in its name, so it may be kept for ever."""
    path = request.path_params["path"]
    if path not in wanted():
        return PlainTextResponse("There is no such file.", status_code=404)
    return Response(
        _file(path).read_bytes(),
        media_type=_TYPES[Path(path).suffix],
        headers={"content-encoding": "gzip", "cache-control": "public, max-age=31536000, immutable"},
    )
