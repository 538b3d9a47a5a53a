"""Language tags (BCP 47): whether one is well formed, and the one way in which it is written; and
the codes of three letters that files use instead."""

import re
from typing import Final

# Language, script, region, variants (RFC 5646, section 2.1); without extensions and private use.
_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3})){0,2})",
    re.IGNORECASE | re.ASCII,
)


def language_tag(text: str) -> str | None:
    """The tag as it is written (RFC 5646, section 2.1.1), or None where it is none: ``pt-BR``."""
    found = _TAG.fullmatch(text)
    if found is None:
        return None
    parts = [
        found["language"].lower(),
        (found["script"] or "").title(),
        (found["region"] or "").upper(),
    ]
    return "-".join(part for part in parts if part) + found["variants"].lower()


UNKNOWN: Final = "und"
"""The tag of a language that nobody knows."""

# ISO 639-2 codes, bibliographic ones too, of languages that have one of two letters. BCP 47 wants
# the shorter one.
_CODES: Final = """
afr:af alb:sq sqi:sq amh:am ara:ar arm:hy hye:hy asm:as aze:az baq:eu eus:eu bel:be ben:bn
bos:bs bre:br bul:bg bur:my mya:my cat:ca chi:zh zho:zh cze:cs ces:cs cym:cy wel:cy dan:da
dut:nl nld:nl eng:en epo:eo est:et fao:fo fin:fi fra:fr fre:fr fry:fy geo:ka kat:ka ger:de
deu:de gla:gd gle:ga glg:gl gre:el ell:el guj:gu hau:ha heb:he hin:hi hrv:hr hun:hu ice:is
isl:is ibo:ig ind:id ita:it jav:jv jpn:ja kan:kn kaz:kk khm:km kin:rw kir:ky kor:ko kur:ku
lao:lo lat:la lav:lv lit:lt ltz:lb mac:mk mkd:mk mal:ml mao:mi mri:mi mar:mr may:ms msa:ms
mlg:mg mlt:mt mon:mn nep:ne nob:nb nno:nn nor:no ori:or pan:pa per:fa fas:fa pol:pl por:pt
pus:ps roh:rm rum:ro ron:ro rus:ru san:sa sin:si slo:sk slk:sk slv:sl smo:sm sna:sn snd:sd
som:so spa:es srp:sr sun:su swa:sw swe:sv tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tib:bo
bod:bo tir:ti tur:tr uig:ug ukr:uk urd:ur uzb:uz vie:vi xho:xh yid:yi yor:yo zul:zu
"""
_SHORTER: Final[dict[str, str]] = {code[:3]: code[4:] for code in _CODES.split()}


def language_of_code(code: str) -> str | None:
    """The tag for what a file states, or None where it is none: ``en`` for ``eng``."""
    tag = language_tag(code.strip().replace("_", "-"))
    if tag is None or tag == UNKNOWN:
        return None
    primary, dash, rest = tag.partition("-")
    return f"{_SHORTER.get(primary, primary)}{dash}{rest}"
