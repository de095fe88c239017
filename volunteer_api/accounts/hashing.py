"""Hashes of passwords, and which passwords are too easily guessed to be taken."""

import threading
from collections.abc import Sequence
from importlib import import_module

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from volunteer_api.core.turns import in_turn

# Argon2id (RFC 9106) above OWASP's floor of 19 MiB and 2 passes. One lane: a second would only take the other core from
# somebody else's sign-in. About 50 ms of a core; raising any of these rehashes each password at its next sign-in.
HASHER = PasswordHasher(time_cost=2, memory_cost=32 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
# At the same time in one process: 64 MiB, however many people sign in.
AT_ONCE = 2
PATIENCE_SECONDS = 3.0
# What zxcvbn looks at: its work grows with the square of the length, and what begins with 40 characters that are hard
# to guess is hard to guess.
JUDGED_CHARACTERS = 40
# Of 0 to 4: below 2 a password falls within a million guesses.
LEAST_SCORE = 2
# A short name stands in many a good password by chance.
LEAST_PERSONAL_CHARACTERS = 2

# What a password is compared with where there is none, so that the answer takes as long: the same parameters, and zeros
# for a salt of 16 bytes and a hash of 32, which no password is known to give.
_DUMMY = f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}${'A' * 22}${'A' * 43}"
_slots = threading.BoundedSemaphore(AT_ONCE)
_judge = threading.Lock()


def hash_of(password: str) -> str:
    """The hash with its parameters and salt, in PHC format. Raises Busy (503) where too many wait already."""
    with in_turn(_slots, PATIENCE_SECONDS):
        return HASHER.hash(password)


def is_hash_of(stored: str | None, password: str) -> bool:
    """Whether `stored` is this password's hash; None takes as long and is nobody's. Raises Busy (503)."""
    with in_turn(_slots, PATIENCE_SECONDS):
        try:
            HASHER.verify(stored if stored is not None else _DUMMY, password)
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than those of today."""
    return HASHER.check_needs_rehash(stored)


def is_too_common(password: str, personal: Sequence[str]) -> bool:
    """Whether it is a common or breached password, or has what everybody knows of the person: name, phone, number.

    The lists are zxcvbn's: 30,000 leaked passwords, names and words, with their usual disguises and keyboard runs.
    """
    text = password.casefold()
    known = [part.casefold() for part in personal if len(part) >= LEAST_PERSONAL_CHARACTERS]
    if any(part in text for part in known):
        return True
    # The library keeps its inputs in a module's dictionary: one at a time, and nothing is left there. Its lists are
    # loaded with the first new password and not at every start.
    with _judge:
        library = import_module("zxcvbn")
        try:
            score = library.zxcvbn(password[:JUDGED_CHARACTERS], user_inputs=known)["score"]
        finally:
            library.matching.RANKED_DICTIONARIES.pop("user_inputs", None)
    return bool(score < LEAST_SCORE)
