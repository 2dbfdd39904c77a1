"""Images: layers and an environment as the archives that podman, skopeo and docker load.

Layers are not compressed: what a compressor makes of them depends on its version, and the image's identity would, too.
The hash of a layer comes before it in the archive, so each is made twice, once to be hashed and once to be written;
nothing is kept of either.
"""

import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from magpkg.export.layer import Layer
from magpkg.export.tarball import END, directory_header, file_header, padding, tarball

LAYERS_MAX = 125
"""docker refuses more (maxLayerDepth in moby's layer/layer_store.go): overlayfs takes 127, two of which are its own."""

_TIME = "1980-01-01T00:00:00Z"  # layer.TIME as RFC 3339 has it
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
# What Go calls the architectures that Debian and uname(2) have names for; the image specification takes Go's.
_ARCHITECTURES = {
    "aarch64": "arm64",
    "armhf": "arm",
    "i386": "386",
    "i686": "386",
    "ppc64el": "ppc64le",
    "x86_64": "amd64",
}


@dataclass(frozen=True, slots=True)
class Image:
    """What an image is made of: its name with a tag, the layers, the lowest first, and how a container starts."""

    tag: str
    layers: Sequence[Layer]
    environment: Mapping[str, str]
    command: Sequence[str]
    architecture: str


@dataclass(frozen=True, slots=True)
class _Blob:
    digest: str
    size: int
    content: Callable[[], Iterable[bytes]]

    def described(self, kind: str, **more: object) -> dict[str, object]:
        return {"mediaType": kind, "digest": f"sha256:{self.digest}", "size": self.size, **more}


def architecture(debian: str) -> str:
    """The image's word for an architecture that Debian names so; this machine's where none is named."""
    name = debian or platform.machine()
    return _ARCHITECTURES.get(name, name)


def oci_archive(image: Image) -> Iterator[bytes]:
    """The image as a tar archive of an OCI image layout."""
    layers = [_hashed(layer) for layer in image.layers]
    config = _json(_config(image, layers))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": config.described(_CONFIG),
            "layers": [layer.described(_LAYER) for layer in layers],
        }
    )
    named = {"org.opencontainers.image.ref.name": image.tag}
    index = _json({"schemaVersion": 2, "manifests": [manifest.described(_MANIFEST, annotations=named)]})
    yield from _member("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    yield from _member("index.json", index)
    yield directory_header("blobs")
    yield directory_header("blobs/sha256")
    for digest, blob in _by_digest([manifest, config, *layers]):
        yield from _member(f"blobs/sha256/{digest}", blob)
    yield END


def docker_archive(image: Image) -> Iterator[bytes]:
    """The image as `docker save` has it."""
    layers = [_hashed(layer) for layer in image.layers]
    config = _json(_config(image, layers))
    names = [f"{layer.digest}.tar" for layer in layers]
    manifest = [{"Config": f"{config.digest}.json", "RepoTags": [image.tag], "Layers": names}]
    yield from _member("manifest.json", _json(manifest))
    yield from _member(f"{config.digest}.json", config)
    for digest, layer in _by_digest(layers):
        yield from _member(f"{digest}.tar", layer)
    yield END


def _config(image: Image, layers: Sequence[_Blob]) -> dict[str, object]:
    environment = [f"{name}={value}" for name, value in sorted(image.environment.items())]
    return {
        "created": _TIME,
        "architecture": image.architecture,
        "os": "linux",
        "config": {"Env": environment, "Cmd": list(image.command), "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "history": [{"created": _TIME, "created_by": f"magpkg {' '.join(layer.names)}"} for layer in image.layers],
    }


def _hashed(layer: Layer) -> _Blob:
    sha256, size = hashlib.sha256(), 0
    for chunk in tarball(layer.entries):
        sha256.update(chunk)
        size += len(chunk)
    return _Blob(sha256.hexdigest(), size, lambda: tarball(layer.entries))


def _json(value: object) -> _Blob:
    text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    return _Blob(hashlib.sha256(text).hexdigest(), len(text), lambda: (text,))


def _by_digest(blobs: Iterable[_Blob]) -> Iterable[tuple[str, _Blob]]:
    """Each blob once: two packages may come to the same layer."""
    return {blob.digest: blob for blob in blobs}.items()


def _member(path: str, blob: _Blob) -> Iterator[bytes]:
    yield file_header(path, blob.size)
    yield from blob.content()
    yield padding(blob.size)
