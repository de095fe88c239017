"""Merkle trees as RFC 6962, section 2.1, defines them, with SHA-256.

Own lines, because the one library for it is under the GPL; the RFC's reference vectors test them.
"""

import hashlib
from collections.abc import Sequence

# So that nobody passes a node off as a leaf.
LEAF, NODE = b"\x00", b"\x01"


def leaf_digest(content: bytes) -> bytes:
    """The 32 bytes that stand for a leaf's content."""
    return hashlib.sha256(LEAF + content).digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """The 32 bytes over two subtrees."""
    return hashlib.sha256(NODE + left + right).digest()


class Frontier:
    """A tree that leaves are added to from the left; it keeps one digest for each full subtree, not the leaves."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def add(self, digest: bytes) -> None:
        """Add the digest of the next leaf."""
        # Each 1 at the end of the size is a full subtree that this leaf completes a larger one with.
        full = self.size
        while full & 1:
            digest = node_digest(self._subtrees.pop(), digest)
            full >>= 1
        self._subtrees.append(digest)
        self.size += 1

    def root(self) -> bytes:
        """The root over the leaves so far; of none, the digest of nothing."""
        if not self._subtrees:
            return hashlib.sha256().digest()
        root = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            root = node_digest(subtree, root)
        return root


def inclusion_path(digests: Sequence[bytes], index: int) -> list[bytes]:
    """What with the leaf at `index` gives the root: the digests of the subtrees beside it, the nearest first."""
    path: list[bytes] = []
    level = list(digests)
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            path.append(level[beside])
        pairs = [node_digest(*level[place : place + 2]) for place in range(0, len(level) - 1, 2)]
        # The last of an odd number goes up as it is.
        level = pairs + level[len(level) - len(level) % 2 :]
        index >>= 1
    return path


def root_of_path(digest: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root of `size` leaves that a leaf and its path lead to; None where the path has another length."""
    last, rest = size - 1, list(path)
    if not 0 <= index <= last:
        return None
    while last > 0:
        if index & 1 or index < last:
            if not rest:
                return None
            beside = rest.pop(0)
            digest = node_digest(beside, digest) if index & 1 else node_digest(digest, beside)
        index, last = index >> 1, last >> 1
    return digest if not rest else None
