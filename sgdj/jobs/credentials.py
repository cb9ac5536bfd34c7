"""Look for the key of Weights & Biases."""

import os
from contextlib import suppress
from netrc import NetrcParseError, netrc
from urllib.parse import urlsplit


def has_key() -> bool:
    """Check whether there is a key for sending to W&B; the server is not asked."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    with suppress(OSError, NetrcParseError):
        return netrc(os.environ.get("NETRC")).authenticators(host) is not None
    return False
