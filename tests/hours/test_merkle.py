"""The tree against the reference vectors of RFC 6962, and its laws on random leaves."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from volunteer_api.hours.merkle import Frontier, inclusion_path, leaf_digest, node_digest, root_of_path

# The entries and roots of Certificate Transparency's own tests: the root over the first one, two, … eight entries.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    0: [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    5: [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


def root_of(contents: list[bytes]) -> bytes:
    frontier = Frontier()
    for content in contents:
        frontier.add(leaf_digest(content))
    return frontier.root()


def by_definition(digests: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, section 2.1."""
    if len(digests) == 1:
        return digests[0]
    split = 1 << ((len(digests) - 1).bit_length() - 1)
    return node_digest(by_definition(digests[:split]), by_definition(digests[split:]))


def test_the_reference_vectors() -> None:
    assert root_of([]) == hashlib.sha256().digest()
    assert [root_of(ENTRIES[: count + 1]).hex() for count in range(8)] == ROOTS
    digests = [leaf_digest(entry) for entry in ENTRIES]
    assert {index: [step.hex() for step in inclusion_path(digests, index)] for index in PATHS} == PATHS


CONTENTS = st.lists(st.binary(max_size=3), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(contents=CONTENTS, data=st.data())
def test_every_leaf_proves_itself_and_nothing_else(contents: list[bytes], data: st.DataObject) -> None:
    digests, root = [leaf_digest(content) for content in contents], root_of(contents)
    size, index = len(digests), data.draw(st.integers(0, len(contents) - 1))
    assert root == by_definition(digests)
    path = inclusion_path(digests, index)
    assert root_of_path(digests[index], index=index, size=size, path=path) == root
    assert root_of_path(leaf_digest(b"another leaf"), index=index, size=size, path=path) != root
    assert root_of_path(digests[index], index=index, size=size, path=[*path, root]) is None
    assert root_of_path(digests[index], index=size, size=size, path=path) is None
    if path:
        assert root_of_path(digests[index], index=index, size=size, path=path[:-1]) != root


@settings(max_examples=60, deadline=None)
@given(contents=CONTENTS, data=st.data())
def test_any_change_changes_the_root(contents: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(contents) - 1))
    changed, shorter, longer = list(contents), list(contents), list(contents)
    changed[index] = contents[index] + b"!"
    del shorter[index]
    longer.insert(index, b"one more")
    swapped = sorted(contents)
    others = [changed, shorter, longer, *([swapped] if swapped != contents else [])]
    assert root_of(contents) not in {root_of(other) for other in others}
