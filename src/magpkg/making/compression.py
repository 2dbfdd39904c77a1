"""Compressed streams: gzip, bzip2, xz and zstd become plain bytes, decoded within a limit of memory."""

import bz2
import gzip
import importlib
import lzma
from collections.abc import Callable
from typing import BinaryIO, cast

import zstandard

Read = Callable[[int], bytes]
"""Gives up to as many bytes as asked for, and none at the end only."""

XZ_MEMORY_MAX = 96 << 20
"""What a decoder of xz may take: half as much again as its strongest preset needs, xz(1), -9."""

ZSTD_WINDOW_MAX = 1 << 27
"""How far back zstd may refer: as far as zstd(1) itself allows unless told otherwise, --long."""

_CHUNK = 1 << 16
_MAGIC = {".xz": b"\xfd7zXZ\0", ".gz": b"\x1f\x8b", ".bz2": b"BZh", ".zst": b"\x28\xb5\x2f\xfd"}


def ending_of(file: BinaryIO) -> str:
    """What the first bytes of `file` say that it is, as the ending of a name; empty where it is not compressed.

    The file is left where it was.
    """
    start = file.tell()
    magic = file.read(max(map(len, _MAGIC.values())))
    file.seek(start)
    return next((ending for ending, first in _MAGIC.items() if magic.startswith(first)), "")


def decompressed(file: BinaryIO, ending: str) -> Read:
    """What `file`, compressed as `ending` says, holds. Streams one after the other are read as one.

    What reads raises OSError, EOFError, ValueError, lzma.LZMAError, zlib.error or zstandard.ZstdError where the file is
    damaged or needs more memory than the limit.
    """
    if ending == ".xz":
        return _Xz(file).read
    if ending == ".gz":
        return cast("BinaryIO", gzip.open(file)).read
    if ending == ".bz2":
        return bz2.open(file).read
    if ending == ".zst":
        decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_MAX)
        return cast("Read", decoder.stream_reader(file, read_size=_CHUNK, read_across_frames=True).read)
    return file.read


class _Xz:
    """Streams of xz, with the padding that may stand between and after them; xz-file-format, 2.2."""

    def __init__(self, file: BinaryIO) -> None:
        # liblzma decodes xz in 0.6 of the time from its version 5.6 on. The extra `fast` brings one of those; what
        # Python itself was linked with is often older, and says no version.
        try:
            self._library = importlib.import_module("lzma_mt")
        except ImportError:
            self._library = lzma
        self._file = file
        self._input = b""
        self._decoder = self._new_decoder()

    def _new_decoder(self) -> lzma.LZMADecompressor:
        made = self._library.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_MAX)
        return cast("lzma.LZMADecompressor", made)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end only."""
        while not self._decoder.eof or self._begin_next():
            if self._decoder.needs_input and not self._input:
                self._input = self._file.read(_CHUNK)
                if not self._input:
                    raise EOFError("it ends within a compressed stream")
            given, self._input = self._input, b""
            content = self._decoder.decompress(given, size)
            if content:
                return content
        return b""

    def _begin_next(self) -> bool:
        """Go on to the next stream; False where there is none."""
        rest, padding = self._decoder.unused_data, 0
        while True:
            self._input = rest.lstrip(b"\0")
            padding += len(rest) - len(self._input)
            if self._input:
                break
            rest = self._file.read(_CHUNK)
            if not rest:
                break
        if padding % 4:
            raise ValueError("what stands between or after compressed streams is no padding")
        if self._input:
            self._decoder = self._new_decoder()
        return bool(self._input)
