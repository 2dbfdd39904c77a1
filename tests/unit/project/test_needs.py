"""What the files of a project say of the packages that it needs."""

from magpkg.project.needs import DEFAULT, find_needs
from magpkg.project.skeleton import reference


def names(*files: str) -> list[str]:
    return [name for need in find_needs(files) for name in need.packages]


def test_each_package_comes_once_for_the_first_reason() -> None:
    needs = find_needs(["go.mod", ".git", "README", "Cargo.toml"])
    assert [(need.reason, need.packages) for need in needs] == [
        (".git", ("git",)),
        ("Cargo.toml", ("rustc", "cargo")),
        ("go.mod", ("golang-go",)),
    ]
    assert [need.kept for need in needs] == [(), (".cargo",), ("go", ".cache/go-build")]


def test_patterns_match_whole_names() -> None:
    assert names("requirements-dev.txt") == ["python3", "python3-venv", "python3-pip"]
    assert names("a.c", "b.cpp") == ["gcc", "g++"]
    assert names("xMakefile", "Makefile.am", "my.package.json", "a.h") == []
    assert DEFAULT


def test_references_in_jsonnet() -> None:
    assert [reference("set", name) for name in ("git", "g++", "7zip", "self", "libc6-dev")] == [
        "set.git",
        "set['g++']",
        "set['7zip']",
        "set['self']",
        "set['libc6-dev']",
    ]
