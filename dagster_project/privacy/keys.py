"""The chain's secret key and what is derived from it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.lang import tr

_ENVIRONMENT = "LINLI_KEY"
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


class ChainKeyError(ValueError):
    """LINLI_KEY or vault/key cannot be used."""


@dataclass(frozen=True)
class ChainKey:
    """Keys derived from one 32-byte master key. `created` is true when this call made vault/key."""

    master: bytes = field(repr=False)
    created: bool = False

    def _derive(self, purpose: str) -> bytes:
        return hmac.new(self.master, purpose.encode(), hashlib.sha256).digest()

    @property
    def vault_key(self) -> bytes:
        return self._derive("linli/vault/v1")

    @property
    def nonce_key(self) -> bytes:
        return self._derive("linli/nonce/v1")

    def token_maker(self) -> TokenMaker:
        return TokenMaker(self._derive("linli/phone-token/v1"))

    def name_token_maker(self) -> TokenMaker:
        """Tokens of names; a key of their own, so that no name and no number ever share one."""
        return TokenMaker(self._derive("linli/name-token/v1"))


class TokenMaker:
    """Keyed hash (HMAC-SHA256) of an E.164 number or a name: 32 letters a … p, equal for equal texts under one key.

    Letters for hex digits: no token can be mistaken for a phone number, by a person or by a scanner.
    """

    def __init__(self, key: bytes) -> None:
        # RFC 2104 with both key blocks hashed once: a day has hundreds of thousands of numbers
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, text: str) -> str:
        return self._digest(text).hex().translate(_LETTERS)

    def many(self, texts: Sequence[str]) -> list[str]:
        """Tokens of many numbers or names, in order."""
        text = b"".join([self._digest(each) for each in texts]).hex().translate(_LETTERS)
        return [text[start : start + 32] for start in range(0, len(text), 32)]

    def _digest(self, text: str) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.digest()[:16]


def chain_key(vault: Path) -> ChainKey:
    """The key from LINLI_KEY (base64, 32 bytes), else from vault/key, which the first run creates (mode 600).

    Raises:
        ChainKeyError: the value is no base64 of 32 bytes.
    """
    text = os.environ.get(_ENVIRONMENT)
    if text:
        return ChainKey(_decode(text, _ENVIRONMENT))
    path = vault / "key"
    if path.exists():
        return ChainKey(_decode(path.read_text("ascii"), str(path)))
    vault.mkdir(parents=True, exist_ok=True)
    vault.chmod(0o700)
    master = secrets.token_bytes(32)
    part = vault / f".key-{os.getpid()}"
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(master) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)  # never over a key that another process has just made
    except FileExistsError:
        return ChainKey(_decode(path.read_text("ascii"), str(path)))
    finally:
        part.unlink()
    return ChainKey(master, created=True)


def _decode(text: str, origin: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ChainKeyError(
            tr(
                f"{origin} 不是 32 字节的 base64。生成一个：head -c 32 /dev/urandom | base64",
                f"{origin} is not base64 of 32 bytes; make one: head -c 32 /dev/urandom | base64",
            )
        )
    return key
