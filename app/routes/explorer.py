"""`/explorer`: GraphiQL as Strawberry brings it, pointed at `/graphql`, with an example to begin with."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from strawberry.http.ides import get_graphql_ide_html

_ITS_OWN_ADDRESS = 'window.location.href.split("?")[0]'


def _page() -> str:
    html = get_graphql_ide_html("graphiql")
    if _ITS_OWN_ADDRESS not in html:
        raise RuntimeError("Strawberry's GraphiQL page has changed: it no longer asks at its own address.")
    return html.replace(_ITS_OWN_ADDRESS, 'new URL("/graphql", window.location.href).href')


PAGE = _page()


async def explorer(_request: Request) -> Response:
    """The page."""
    return HTMLResponse(PAGE)
