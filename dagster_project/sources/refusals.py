"""What a POS vendor's refusal means when its code is not documented.

None of the three vendors publishes a table of error codes that could be checked. Codes of throttling can therefore be
named in chain.yml (`throttle_codes`), and the vendor's text is looked at to choose the kind of error; it is never
repeated in a message, a note or a log.
"""

from __future__ import annotations

import re
from typing import Any

from dagster_project.lang import tr
from dagster_project.sources.errors import RateLimited, VendorConfigError, VendorError

_CODE = re.compile(r"[\w.:-]{1,40}")
_PHONE_LIKE = re.compile(r"\d{11,}")
_THROTTLED = re.compile(
    r"频繁|频率|限流|(次数|额度|配额).{0,12}(上限|超|用完|不足)|too many|too frequent|rate.?limit|throttl|quota",
    re.IGNORECASE,
)
_MISCONFIGURED = re.compile(
    r"签名|密钥|授权|鉴权|权限|白名单|时间戳|sign|app.?id|app.?key|secret|permission|unauthori[sz]ed|white.?list|timestamp",
    re.IGNORECASE,
)


def refusal(api: str, code: Any, text: Any, throttle_codes: frozenset[str] = frozenset()) -> VendorError:
    """The error of a refused call.

    Args:
        code: the vendor's code; shown only when it looks like one.
        text: the vendor's words (text or a list of texts); decide the kind of error, are never shown.
        throttle_codes: codes that this account gets for too many calls.
    """
    shown = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else "?"
    if not _CODE.fullmatch(shown) or _PHONE_LIKE.search(shown):
        shown = "?"
    words = " ".join(filter(lambda part: isinstance(part, str), text if isinstance(text, list) else [text]))
    if shown in throttle_codes or _THROTTLED.search(words):
        return RateLimited(api, shown, tr("：调用太频繁", ": too many calls"))
    if _MISCONFIGURED.search(words):
        return VendorConfigError(
            api,
            shown,
            tr(
                "：像是密钥、账号或权限的问题，请核对 chain.yml 与环境变量，以及本机时钟",
                ": looks like a matter of key, account or permission; check chain.yml, the environment and the clock",
            ),
        )
    return VendorError(api, shown)
