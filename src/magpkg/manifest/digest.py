"""Content hashes: canonical, tagged, versioned SHA-256.

Every hash covers a tag that says what kind of thing is hashed and in which version of its form, so that two kinds of
value can never share a hash and a change of form is a change of tag.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

PACKAGE_TAG = "magpkg package 1"
VENV_TAG = "magpkg venv 1"

Canonical = str | Sequence["Canonical"] | Mapping[str, "Canonical"]
"""What may be hashed: text, lists and objects of it. Numbers have more than one spelling and are left out."""


def digest(tag: str, value: Canonical) -> str:
    """Hash `value` under `tag`: 64 lower-case hexadecimal digits.

    The form hashed is the tag, a NUL, and the value as JSON with sorted keys, no white space and ASCII escapes.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{tag}\0{text}".encode("ascii")).hexdigest()
