"""The Ed25519 keys that checkpoints are signed with.

Owns their forms, and the key that is made where the settings name none; refuses to know what is signed.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: The key that is made, in the ledger's folder.
KEY_NAME: Final = "signing-key.pem"
#: What the names of public keys end with.
PUBLIC_SUFFIX: Final = ".public.pem"


class PublicKey:
    """Tells whether something was signed with the key that belongs to it."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        #: SHA-256 of the key's 32 bytes, in lower-case hex.
        self.fingerprint = sha256(key.public_bytes_raw()).hexdigest()

    @classmethod
    def parse(cls, pem: bytes) -> PublicKey:
        """The key in a PEM file; raises InputError where it holds no Ed25519 public key."""
        # Loaded with the first key that somebody needs: it takes longer than all that imports this module.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

        try:
            key = load_pem_public_key(pem)
        except ValueError as error:
            raise InputError("this is no public key in PEM form; give the *.public.pem of a ledger") from error
        if not isinstance(key, Ed25519PublicKey):
            raise InputError("this public key is not an Ed25519 key; give the *.public.pem of a ledger")
        return cls(key)

    def signed(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is one of these bytes."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above

        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """Signs; says nothing of itself in a log or a traceback."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - as above

        self._private = private
        self.public_pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = PublicKey(private.public_key()).fingerprint

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """The key in a text, PEM (PKCS #8) or base64 of 32 bytes; raises InputError where it holds neither."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above

        try:
            if "-----BEGIN" in text:
                key = load_pem_private_key(text.encode(), password=None)
            else:
                key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(text.strip(), validate=True))
        except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm) as error:
            raise InputError(
                "this is no signing key; give an Ed25519 private key as PEM without a password, or 32 bytes in base64 "
                "(openssl rand -base64 32)"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError("this signing key is not an Ed25519 key (openssl genpkey -algorithm ed25519)")
        return cls(key)

    @classmethod
    def of_folder(cls, folder: Path) -> SigningKey:
        """The key in a ledger's folder, made where there is none, whichever process comes first.

        Raises InputError where it is damaged or others may read it, and OSError where the folder can't be used.
        """
        path = folder / KEY_NAME
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise InputError(
                f"{path} may be read by others (mode {mode:04o}): whoever has it can forge checkpoints; make a new one "
                "in a folder of your own, or say `chmod 600` if nobody can have read it"
            )
        return cls.parse(path.read_text(encoding="ascii", errors="replace"))

    def sign(self, data: bytes) -> bytes:
        """The signature of these bytes, 64 bytes."""
        return self._private.sign(data)


def _make(path: Path) -> None:
    """Writes a new key under another name first, so that nobody ever reads a part of one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    unnamed = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        os.write(file, pem)
        os.fsync(file)
        os.link(unnamed, path)
    except FileExistsError:
        # Another process was first.
        return
    finally:
        os.close(file)
        unnamed.unlink()
