"""Privacy at the door: phone kinds, spellings of names, keyed tokens, masks, and the vault of plain numbers.

Everything that has to know a plain phone number or name lives here; nothing here writes to the lake.
"""

from dagster_project.privacy.keys import ChainKey, chain_key
from dagster_project.privacy.names import name_key
from dagster_project.privacy.phones import Phone, classify_phone, mask_text
from dagster_project.privacy.vault import Vault

__all__ = ["ChainKey", "Phone", "Vault", "chain_key", "classify_phone", "mask_text", "name_key"]
