"""Certificates of a target's connections, read anew when their files change."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from sitehub.telemetry.logs import log


@dataclass(slots=True)
class TlsFiles:
    """What stands in files; raises OSError or ssl.SSLError where it could never be used, which fails the call.

    Files are replaced one after the other: while a new certificate has an old key, what was read before is in force.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    believes_system: bool = False
    """Whether the system's authorities are believed beside `ca_file`."""
    _seen: tuple[int, ...] = ()
    _context: ssl.SSLContext | None = field(default=None, repr=False)
    _told: str = field(default="", repr=False)
    """What is wrong with the files, as the log has it already."""

    def context(self) -> ssl.SSLContext:
        """For the next connection."""
        try:
            context, self._told = self._read(), ""
        except OSError as error:  # ssl.SSLError is one
            if self._context is None:
                raise
            self._tell(f"{type(error).__name__}: {error}")
            return self._context
        return context

    def _read(self) -> ssl.SSLContext:
        files = [Path(name) for name in (self.ca_file, self.cert_file, self.key_file) if name is not None]
        seen = tuple(file.stat().st_mtime_ns for file in files)
        if self._context is None or seen != self._seen:
            context = ssl.create_default_context(cafile=None if self.believes_system else self.ca_file)
            if self.believes_system and self.ca_file is not None:
                context.load_verify_locations(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
            self._context, self._seen = context, seen
        return self._context

    def _tell(self, error: str) -> None:
        if error != self._told:
            files = [name for name in (self.ca_file, self.cert_file, self.key_file) if name is not None]
            log("certificates_unfit", files=files, error=error)
            self._told = error
