"""Two tenants, the shop and the bank, and their keys."""

import hashlib
from typing import Any

SHOP, BANK = "the-key-of-the-shop-1", "the-key-of-the-bank-1"
ENVIRONMENT = {"SHOP": SHOP, "BANK": BANK, "UPSTREAM": "sk-upstream"}


def sha256(key: str) -> str:
    """Return a key as a configuration may write it."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def both(**more: Any) -> dict[str, Any]:
    """Return the settings of both; `more` is said of the shop."""
    return {"shop": {"keys": [sha256(SHOP)], **more}, "bank": {"keys": [sha256(BANK)], "policy": "strict"}}
