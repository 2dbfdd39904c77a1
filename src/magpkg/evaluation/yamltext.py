"""YAML: a text becomes a plain value, and none that aliases or numbers make larger than what stands there."""

from typing import Any

import yaml

from magpkg.errors import MagpkgError

_ALIASED_MAX = 100_000
_NUMBER_MAX = 100


def load(path: str, text: str) -> object:
    """The value of a YAML text; MagpkgError names `path`, and the line and column where it can."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except RecursionError as error:
        raise MagpkgError(f"{path}: is nested too deeply") from error
    except (ValueError, OverflowError) as error:
        raise MagpkgError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise MagpkgError(f"{place}: {getattr(error, 'problem', None) or error}") from error


class _Loader(yaml.SafeLoader):
    """A SafeLoader that counts what aliases stand for: a dozen lines of them can stand for any number of values."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._aliased = 0
        self._weights: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """See yaml.composer: the node at the parser's place."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            node = super().compose_node(parent, index)
            weight = self._weights.get(id(node), 1)  # a node that is not done, within itself, has none yet
            self._nodes += weight
            self._aliased += weight
            if self._aliased > _ALIASED_MAX:
                problem = f"aliases stand for more than {_ALIASED_MAX:,} values"
                raise yaml.composer.ComposerError(None, None, problem, mark)
            return node
        before = self._nodes
        self._nodes += 1
        node = super().compose_node(parent, index)
        self._weights[id(node)] = self._nodes - before
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """See yaml.constructor: the value of a node. A tag such as !!bool may stand before what is none."""
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            problem = f"is no {node.tag.rpartition(':')[2]}: {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _construct_number(loader: _Loader, node: Any) -> Any:
    # Digits to the base of sixty, 1:30:00, take time that grows with the square of their number.
    if len(node.value) > _NUMBER_MAX:
        problem = f"a number of {len(node.value):,} characters"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    return yaml.SafeLoader.yaml_constructors[node.tag](loader, node)


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _construct_number)
