"""The lines of passwd and group: whoever runs the command comes first, and nobody else has his number or name."""

from magpkg.sandbox.user import ROOT, User

ANN = User(1000, 100, "ann", "/home/ann", "/usr/bin/bash", ((100, "users"), (27, "sudo")))
KNOWN = "root:x:0:0:root:/root:/bin/bash\nann:x:5:60:games:/usr/games:/usr/sbin/nologin\n"


def test_an_empty_root() -> None:
    assert ANN.passwd() == (
        "ann:x:1000:100:ann:/home/ann:/usr/bin/bash\n"
        "root:x:0:0:root:/root:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
    )
    assert ANN.group() == "users:x:100:\nsudo:x:27:ann\nroot:x:0:\nnogroup:x:65534:\n"


def test_what_packages_know_stays_but_for_the_users_own_name_and_number() -> None:
    assert ANN.passwd(KNOWN).splitlines() == [
        "ann:x:1000:100:ann:/home/ann:/usr/bin/bash",
        "root:x:0:0:root:/root:/bin/bash",
        "nobody:x:65534:65534:nobody:/nonexistent:/bin/sh",
    ]
    assert ANN.group("root:x:0:\nusers:x:100:\nadm:x:4:\n").splitlines() == [
        "users:x:100:",
        "sudo:x:27:ann",
        "root:x:0:",
        "adm:x:4:",
        "nogroup:x:65534:",
    ]


def test_a_group_without_a_name_has_the_users() -> None:
    assert User(1000, 1000, "ann", "/").group().startswith("ann:x:1000:\n")


def test_root_and_nobody_are_themselves() -> None:
    assert ROOT.passwd(KNOWN).startswith("root:x:0:0:root:/root:/bin/sh\nann:x:5:")
    assert len(ROOT.passwd().splitlines()) == 2
    nobody = User(65534, 65534, "nobody", "/")
    assert nobody.passwd().count(":65534:65534:") == 1
    assert nobody.group() == "nogroup:x:65534:\nroot:x:0:\n"


def test_without_a_name_of_the_host() -> None:
    assert ANN.unnamed().passwd().startswith("user:x:1000:100:user:/home/ann:")
    assert ANN.unnamed().group().startswith("user:x:100:\n")
    assert "sudo" not in ANN.unnamed().group()
    assert ROOT.unnamed() == ROOT
