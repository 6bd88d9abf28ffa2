"""Keys and certificates for tests, made by the command `openssl`."""

import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str, *, password: str = "") -> tuple[str, str]:
    """Make a key and a certificate of its own for a host, and return their files."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    locked = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *locked),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}"),
        ],
        check=True,
        capture_output=True,
    )
    return str(certificate), str(key)
