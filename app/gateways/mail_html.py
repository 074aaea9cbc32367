"""A card as the HTML of a mail: one column of 600 pixels, tables and inline styles, since Outlook draws with Word.

Colours for dark mode are in the one style sheet; readers that drop it keep the light ones. Whatever people wrote is
escaped, and nothing but the card's own picture is fetched from elsewhere.
"""

from collections.abc import Iterator
from html import escape

from app.gateways.mail_text import body_of, links, one_line, picture_of, said, visible
from credits.gateways.cards import Button, Card, Picture

_PREVIEW = 140
_FONT = "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_INK, _SOFT, _LINE, _GROUND, _CARD = "#1a1f36", "#5b6478", "#e3e6ec", "#f4f5f7", "#ffffff"
_BARE = 'cellpadding="0" cellspacing="0" border="0"'
_FIRM, _ACCENT, _DANGER = "#c3c9d6", "#3f51d9", "#b3261e"
_STYLE = """
:root { color-scheme: light dark; supported-color-schemes: light dark; }
a { text-decoration: none; }
@media (max-width: 620px) {
  .card { padding: 24px 20px !important; }
  .button, .button tbody, .button tr, .button td, .button a { display: block !important; }
  .button { margin-right: 0 !important; text-align: center !important; }
}
@media (prefers-color-scheme: dark) {
  .ground { background: #12141b !important; }
  .card { background: #1b1e28 !important; border-color: #2c3140 !important; }
  .ink { color: #eceef5 !important; }
  .soft { color: #9aa3b8 !important; }
  .line { border-color: #2c3140 !important; }
  .quote { background: #232734 !important; border-color: #4a5168 !important; }
  .main { background: #8c9bff !important; border-color: #8c9bff !important; }
  .main a { color: #10131c !important; }
  .danger { border-color: #ff9d96 !important; }
  .danger a { color: #ff9d96 !important; }
  .plain { border-color: #4a5168 !important; }
  .plain a { color: #eceef5 !important; }
}
""".strip()


def html_of(card: Card, *, sender: str) -> str:
    """The card as a document of its own; `sender` is the name that stands above it."""
    preview = _text(one_line(said(body_of(card)))[:_PREVIEW])
    rows = "\n".join(_rows(card))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<meta name="x-apple-disable-message-reformatting">
<title>{_text(one_line(card.summary))}</title>
<style>{_STYLE}</style></head>
<body class="ground" style="margin:0;padding:0;background:{_GROUND}">
<div style="display:none;max-height:0;overflow:hidden">{preview}</div>
<table role="presentation" class="ground" width="100%" {_BARE} bgcolor="{_GROUND}" \
style="background:{_GROUND}"><tr><td align="center" style="padding:32px 12px">
<!--[if mso]><table role="presentation" width="600" {_BARE}><tr><td><![endif]-->
<table role="presentation" width="100%" {_BARE} style="max-width:600px">
<tr><td class="soft" style="padding:0 4px 14px;{_FONT};font-size:14px;line-height:20px;font-weight:600;color:{_SOFT}">\
{_text(one_line(sender))}</td></tr>
<tr><td class="card" bgcolor="{_CARD}" style="padding:32px;background:{_CARD};border:1px solid {_LINE};\
border-radius:14px">
<table role="presentation" width="100%" {_BARE}>
{rows}
</table></td></tr></table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr></table></body></html>
"""


def _parts(card: Card) -> Iterator[tuple[int, str]]:
    """Each part, and how many pixels keep it from what is above."""
    if card.title:
        yield (
            0,
            f'<h1 class="ink" style="margin:0;{_FONT};font-size:22px;line-height:29px;font-weight:700;color:{_INK}">'
            f"{_text(card.title)}</h1>",
        )
    if body := said(body_of(card)):
        yield (
            12,
            f'<p class="ink" style="margin:0;{_FONT};font-size:16px;line-height:25px;color:{_INK}">{_text(body)}</p>',
        )
    if card.quote:
        yield 20, _quote(card.quote)
    if card.fields:
        yield 20, _fields(card.fields)
    if picture := picture_of(card):
        yield 20, _picture(picture)
    if found := links(card):
        yield 20, _buttons(found)
    if card.notes:
        notes = "<br>".join(_text(said(note)) for note in card.notes)
        yield (
            20,
            f'<p class="soft line" style="margin:0;padding:16px 0 0;border-top:1px solid {_LINE};{_FONT};'
            f'font-size:13px;line-height:20px;color:{_SOFT}">{notes}</p>',
        )


def _rows(card: Card) -> Iterator[str]:
    for number, (gap, part) in enumerate(_parts(card)):
        yield f'<tr><td style="padding:{gap if number else 0}px 0 0">{part}</td></tr>'


def _quote(text: str) -> str:
    return (
        f'<table role="presentation" width="100%" {_BARE}><tr><td class="quote ink" bgcolor="{_GROUND}" '
        f'style="padding:12px 16px;background:{_GROUND};border-left:3px solid {_FIRM};{_FONT};font-size:15px;'
        f'line-height:23px;color:{_INK}">{_text(text)}</td></tr></table>'
    )


def _fields(fields: tuple[tuple[str, str], ...]) -> str:
    """A table that a screen reader takes for one."""
    rows = "".join(
        f'<tr><th scope="row" class="soft line" align="left" valign="top" width="35%" style="padding:10px 12px 10px 0;'
        f"border-top:1px solid {_LINE};{_FONT};font-size:14px;line-height:21px;font-weight:400;text-align:left;"
        f'color:{_SOFT}">{_text(label)}</th>'
        f'<td class="ink line" valign="top" style="padding:10px 0;border-top:1px solid {_LINE};{_FONT};font-size:15px;'
        f'line-height:21px;font-weight:600;color:{_INK};word-break:break-word">{_text(value)}</td></tr>'
        for label, value in fields
    )
    return f'<table width="100%" {_BARE}>{rows}</table>'


def _picture(picture: Picture) -> str:
    return (
        f'<img src="{escape(picture.url)}" alt="{escape(one_line(picture.alt))}" width="534" border="0" '
        f'style="display:block;width:100%;max-width:100%;height:auto;border-radius:8px;{_FONT};'
        f'font-size:14px;color:{_SOFT}">'
    )


def _buttons(buttons: list[Button]) -> str:
    """Side by side, below each other where there is no room; the first is the main one unless another is."""
    main = next((button for button in buttons if button.style == "primary"), buttons[0])
    drawn = "".join(_button(each, main=each is main) for each in buttons)
    return f'<div style="font-size:0">{drawn}</div>'


def _button(button: Button, *, main: bool) -> str:
    if button.style == "danger":
        look, ground, line, ink = "danger", "transparent", _DANGER, _DANGER
    elif main:
        look, ground, line, ink = "main", _ACCENT, _ACCENT, "#ffffff"
    else:
        look, ground, line, ink = "plain", "transparent", _FIRM, _INK
    return (
        '<!--[if mso]><table role="presentation" align="left"><tr><td><![endif]-->'
        f'<table role="presentation" class="button" {_BARE} '
        'style="display:inline-block;margin:0 10px 8px 0;vertical-align:top"><tr>'
        f'<td class="{look}" style="background:{ground};border:1px solid {line};border-radius:8px;'
        f'mso-padding-alt:11px 20px"><a href="{escape(button.url or "")}" target="_blank" style="display:inline-block;'
        f'padding:11px 20px;{_FONT};font-size:15px;line-height:20px;font-weight:600;color:{ink};text-decoration:none">'
        f"{_text(one_line(button.label))}</a></td></tr></table><!--[if mso]></td></tr></table><![endif]-->"
    )


def _text(text: str) -> str:
    return escape(visible(text)).replace("\n", "<br>")
