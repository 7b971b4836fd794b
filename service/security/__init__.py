"""What keys look like, what they are kept as, and where the service may be shown. Pure: no SQL, no HTTP."""

from service.security.exposure import are_keys_on, check_exposure, is_loopback
from service.security.keys import ApiKey, new_key, parse_key
from service.security.secret import load_secret

__all__ = ["ApiKey", "are_keys_on", "check_exposure", "is_loopback", "load_secret", "new_key", "parse_key"]
