"""The only place with plain phone numbers: value-encrypted, one row per token."""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dagster_project.privacy.keys import ChainKey

_NONCE_BYTES = 12


class Vault:
    """token → plain number, sealed with AES-256-GCM; the token is the associated data.

    The nonce is a keyed hash of the number (a synthetic IV): one number is always sealed to the same bytes, and no
    nonce is used for two numbers.
    """

    def __init__(self, folder: Path, key: ChainKey) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "phones.sqlite"
        self._cipher = AESGCM(key.vault_key)
        self._nonce_key = key.nonce_key
        with self._connect() as connection:
            connection.execute(
                "create table if not exists phones (token text primary key, sealed blob not null) without rowid"
            )
        self._path.chmod(0o600)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)

    def put(self, numbers: Mapping[str, str]) -> None:
        """Stores token → E.164 number; known tokens are left alone. Durable when it returns."""
        with self._connect() as connection:
            new = self._unknown(connection, sorted(numbers))  # in key order, which a B-tree takes fastest
            rows = ((token, self._seal(token, numbers[token])) for token in new)
            connection.executemany("insert or ignore into phones values (?, ?)", rows)

    def _unknown(self, connection: sqlite3.Connection, tokens: list[str]) -> list[str]:
        # one statement with one value: a day asks for hundreds of thousands
        query = "select value from json_each(?) where value not in (select token from phones)"
        return [token for (token,) in connection.execute(query, [json.dumps(tokens)])]

    def _seal(self, token: str, number: str) -> bytes:
        nonce = hmac.digest(self._nonce_key, number.encode(), "sha256")[:_NONCE_BYTES]
        return nonce + self._cipher.encrypt(nonce, number.encode(), token.encode())

    def reveal(self, tokens: Iterable[str]) -> dict[str, str]:
        """Plain E.164 numbers of the tokens that the vault knows. The caller must have a basis for the call.

        Raises:
            cryptography.exceptions.InvalidTag: a value was changed, or the key is another one.
        """
        found: dict[str, str] = {}
        with self._connect() as connection:
            for token in tokens:
                row = connection.execute("select sealed from phones where token = ?", (token,)).fetchone()
                if row is not None:
                    sealed = bytes(row[0])
                    plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], token.encode())
                    found[token] = plain.decode()
        return found
