"""An automount that fails: a direct mount of autofs, whose every request is answered with a failure."""

import ctypes
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_AUTOFS_IOC_FAIL = 0x9361  # linux/auto_fs.h
_MNT_DETACH = 2  # umount2(2)


@contextmanager
def failing_automount(directory: str) -> Iterator[list[int]]:
    """Have an automount on the directory for as long as this lasts; what it gives grows by a token for each request."""
    libc = ctypes.CDLL(None, use_errno=True)
    asked, tell = os.pipe()
    requests: list[int] = []
    options = f"fd={tell},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct"
    if libc.mount(b"none", os.fsencode(directory), b"autofs", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    try:
        root = os.open(directory, os.O_RDONLY)

        def serve() -> None:
            while packet := os.read(asked, 4096):
                requests.append(struct.unpack_from("I", packet, 8)[0])  # struct autofs_v5_packet
                fcntl.ioctl(root, _AUTOFS_IOC_FAIL, requests[-1])

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield requests
    finally:
        os.close(tell)
        libc.umount2(os.fsencode(directory), _MNT_DETACH)  # closes the kernel's end, and with it the pipe
    server.join(10)
    os.close(root)
    os.close(asked)
