"""Outlines: what people call one package is one node, and the ways to it are the shortest."""

from magpkg.inspection.outline import Node, Outline, dot_lines, mermaid_lines, outline, tree_lines, without_shortcuts
from magpkg.manifest.package import Package, Source, make_package


def deb(name: str, version: str, *needs: Package) -> Package:
    url = f"debian:pool/main/x/{name}_{version}_amd64.deb"
    return make_package(name, "untar", [Source(f"{name}.deb", "0" * 64, (url,))], needs)


ZLIB = deb("zlib", "1.2")
CURL = deb("curl", "7.88", ZLIB)
RAW = deb("git", "2.39", CURL, ZLIB)
FIXUP = make_package("git-fixup", "true", (), (), [ZLIB])
GIT = make_package("git", "untar", (), [RAW, FIXUP])
TOOL = make_package("tool", "make", (), [GIT])


def test_a_package_with_its_fixup_is_one_node_with_the_version_of_what_was_shipped() -> None:
    drawn = outline([GIT])
    assert sorted(str(node) for node in drawn.nodes.values()) == ["curl 7.88", "git 2.39", "zlib 1.2"]
    (git,) = drawn.named("git")
    assert [drawn.nodes[key].name for key in git.depends] == ["curl", "zlib"]


def test_a_dependency_on_the_part_is_one_on_the_whole() -> None:
    drawn = outline([GIT, deb("gitk", "1", RAW)])
    (gitk,) = drawn.named("gitk")
    assert [drawn.nodes[key].key for key in gitk.depends] == [GIT.hash]


def test_the_shortest_path_from_each_root() -> None:
    drawn = outline([TOOL, CURL, deb("alone", "1")])
    paths = [[node.name for node in path] for path in drawn.shortest_paths(ZLIB.hash)]
    assert paths == [["tool", "git", "zlib"], ["curl", "zlib"]]


def test_each_name_of_a_circle_finds_it() -> None:
    drawn = outline([deb("libc6+libgcc-s1", "2.36")])
    assert drawn.named("libgcc-s1") == drawn.named("libc6") == list(drawn.nodes.values())
    assert drawn.named("libgcc") == []


def test_the_tree_unfolds_a_package_once() -> None:
    assert list(tree_lines(outline([TOOL, CURL]))) == [
        "tool",
        "  git 2.39",
        "    curl 7.88",
        "      zlib 1.2",
        "    zlib 1.2",
        "curl 7.88 (see above)",
    ]


def test_graphs_have_a_line_for_each_package_and_dependency() -> None:
    drawn = outline([CURL])
    assert list(mermaid_lines(drawn)) == ["graph LR", '  n0["zlib 1.2"]', '  n1["curl 7.88"]', "  n1 --> n0"]
    assert [line for line in dot_lines(drawn) if "->" in line] == ["  n1 -> n0;"]


def test_shortcuts_are_what_a_longer_way_leads_to_as_well() -> None:
    drawn = without_shortcuts(outline([TOOL, GIT]))
    ways = {node.name: [drawn.nodes[key].name for key in node.depends] for node in drawn.nodes.values()}
    assert ways == {"zlib": [], "curl": ["zlib"], "git": ["curl"], "tool": ["git"]}


def test_only_what_can_be_a_version_is_taken_from_a_url() -> None:
    for hostile in ('1",URL="javascript:alert(1)', "1\\n", "1]", "\x1b[31m", "1\n", "1<script>", "1%22"):
        drawn = outline([deb("tool", hostile)])
        assert list(tree_lines(drawn)) == ["tool"]
        lines = [*dot_lines(drawn), *mermaid_lines(drawn)]
        assert [line for line in lines if "tool" in line] == ['  n0 [label="tool\\n", penwidth=2];', '  n0["tool"]']
    assert list(tree_lines(outline([deb("tool", "1:2.0~rc1+dfsg-1.1")]))) == ["tool 1:2.0~rc1+dfsg-1.1"]


def test_no_text_ends_the_label_that_it_stands_in() -> None:
    node = Node("k", 'a"b', "1<b>]\\", (), (), ())
    drawn = Outline(("k",), {"k": node})
    lost = "\N{REPLACEMENT CHARACTER}"
    assert f'[label="a{lost}b\\n1{lost}b{lost}{lost}{lost}", penwidth=2]' in "".join(dot_lines(drawn))
    assert f'n0["a{lost}b 1{lost}b{lost}{lost}{lost}"]' in "".join(mermaid_lines(drawn))
