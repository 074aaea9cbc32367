"""A page of a few words, for people whom another service sends back to us."""

import html

from starlette.responses import HTMLResponse

_STYLE = """body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1.5rem;
color-scheme:light dark}h1{font-size:1.6rem}button,select{font:inherit;padding:.3em .8em}"""
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


def page(title: str, text: str, *, status: int = 200, form: str = "") -> HTMLResponse:
    """The page; `form` is HTML and comes below the text, the rest is words."""
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>{form}</html>""",
        status_code=status,
        headers=_HEADERS,
    )
