"""The kernel's rules as the host tells them: settings, the marks of a container, filters, profiles, mount points."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the host tells of its rules; `root` is where its files are looked for, `environment` what this runs with."""

    root: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def setting(self, name: str) -> str:
        """The value of a sysctl(8) setting; empty where the kernel has no such one."""
        return self._read(f"/proc/sys/{name.replace('.', '/')}").strip()

    @property
    def container(self) -> str:
        """What runs the container that this is, by the marks that it leaves; empty where there are none."""
        marks = {
            "podman": "/run/.containerenv",
            "docker": "/.dockerenv",
            "kubernetes": "/var/run/secrets/kubernetes.io",
        }
        return next((name for name, mark in marks.items() if os.path.exists(self.root + mark)), "")

    @property
    def filtered(self) -> bool:
        """Whether a seccomp filter is on this process, beside that of a venv, proc_pid_status(5)."""
        status = self._read("/proc/self/status")
        alone = re.search(r"^Seccomp_filters:\s*1$", status, re.MULTILINE) is not None
        if alone and self.environment.get("MAGPKG_VENV"):
            return False
        return re.search(r"^Seccomp:\s*2$", status, re.MULTILINE) is not None

    @property
    def profile(self) -> str:
        """The AppArmor profile of this process; empty where it has none."""
        return self._read("/proc/self/attr/current").strip("\0\n").removesuffix(" (enforce)").replace("unconfined", "")

    @property
    def mount_points(self) -> list[str]:
        """Where something is mounted, proc_pid_mountinfo(5)."""
        return [line.split()[4] for line in self._read("/proc/self/mountinfo").splitlines()]

    def _read(self, path: str) -> str:
        try:
            with open(self.root + path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""
