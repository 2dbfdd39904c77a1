"""Streams: the plain bytes of an archive, counted as they come and never held in memory whole."""

import lzma
import zlib
from collections.abc import Iterator

import zstandard

from magpkg.errors import MagpkgError
from magpkg.making.bounds import Meter
from magpkg.making.compression import Read

_CHUNK = 1 << 18


class Stream:
    """What `read` gives, in pieces of the sizes that are asked for; `label` names the archive in errors.

    Each byte is counted by `meter`: those of headers, and of what follows the archive, too.
    """

    def __init__(self, read: Read, meter: Meter, label: str) -> None:
        self._read, self.meter, self.label = read, meter, label
        self._buffer = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Just `size` bytes, which should be few; MagpkgError where there are less."""
        end = self._at + size
        if end > len(self._buffer):
            self._fill(size)
            end = size
        taken = self._buffer[self._at : end]
        self._at = end
        return taken

    def pieces(self, size: int) -> Iterator[bytes]:
        """`size` bytes, in pieces; MagpkgError where there are less."""
        while size:
            if self._at == len(self._buffer):
                self._fill(1)
            piece = self._buffer[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def drain(self) -> None:
        """Read to the end, where the compressed formats have their checksums."""
        while self._more():
            pass

    def damaged(self, what: str) -> MagpkgError:
        """The error for an archive that is not as it must be."""
        return MagpkgError(f"{self.label}: is damaged: {what}")

    def _fill(self, size: int) -> None:
        """Have at least `size` bytes in the buffer, from its beginning on."""
        pieces = [self._buffer[self._at :]]
        held = len(pieces[0])
        while held < size:
            pieces.append(self._more())
            if not pieces[-1]:
                raise self.damaged("no member and no end where one must be: it is cut short")
            held += len(pieces[-1])
        self._buffer, self._at = b"".join(pieces), 0

    def _more(self) -> bytes:
        try:
            content = self._read(_CHUNK)
        except (lzma.LZMAError, zlib.error, zstandard.ZstdError, EOFError, ValueError) as error:
            raise self.damaged(str(error)) from error
        except OSError as error:
            raise MagpkgError(f"{self.label}: cannot be read: {error.strerror or error}") from error
        self.meter.count_bytes(len(content), self.label)
        return content
