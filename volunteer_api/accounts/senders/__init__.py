"""How a one-time code or a notice reaches its phone: the sender that SMS_SENDER names, and the queue before it.

A provider's library is an extra: its module is imported only where it is chosen.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import product

from flask import Flask, current_app

from volunteer_api.accounts.senders.base import CodeSender, Notice, SendFailed
from volunteer_api.config import GET_EXTRAS, BadEnvironment, Settings
from volunteer_api.core import metrics
from volunteer_api.core.logs import logger
from volunteer_api.core.unit_of_work import run_unit

EXTENSION = "volunteer_api.outbox"
# Two threads of each worker process wait for the provider, never those that serve requests.
THREADS = 2
# More than a provider that hangs should ever hold up; what does not fit counts as not sent.
QUEUE_LENGTH = 100


class Outbox:
    """Sends codes and notices without holding up the answer, which so tells nothing of provider and phone."""

    def __init__(self, app: Flask, sender: CodeSender, provider: str) -> None:
        self._app = app
        self._provider = provider
        self._sender = sender
        # Its threads begin with the first code, so that a fork before that loses none.
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sms")
        self._free = threading.BoundedSemaphore(QUEUE_LENGTH)
        # They are told from 0 on: to whoever watches, a count that begins with its first one has not risen.
        for kind, outcome in product(("code", "notice"), ("sent", "failed")):
            metrics.MESSAGES.labels(provider, kind, outcome)

    def send(self, *, phone: str, code: str, purpose: str, if_failed: Callable[[], None]) -> None:
        """Send at once, or by the provider in the background; `if_failed` is then a unit of its own."""
        self._post(lambda: self._sender.send(phone=phone, code=code, purpose=purpose), phone, purpose, if_failed)

    def notify(self, *, phone: str, notice: Notice) -> None:
        """Send a notice in the same way; one that fails is logged, and nothing else."""
        self._post(lambda: self._sender.notify(phone=phone, notice=notice), phone, notice, None)

    def _post(self, work: Callable[[], None], phone: str, purpose: str, if_failed: Callable[[], None] | None) -> None:
        if not self._sender.is_remote:
            work()
            self._count(if_failed, "sent")
        elif self._free.acquire(blocking=False):
            self._pool.submit(self._deliver, work, phone, purpose, if_failed)
        else:
            self._give_up(phone, purpose, "queue_full", if_failed)

    def _deliver(
        self, work: Callable[[], None], phone: str, purpose: str, if_failed: Callable[[], None] | None
    ) -> None:
        try:
            with self._app.app_context():
                try:
                    work()
                    self._count(if_failed, "sent")
                except SendFailed as error:
                    self._give_up(phone, purpose, error.reason, if_failed)
                except Exception as error:
                    # The text of an error may hold the phone.
                    self._give_up(phone, purpose, type(error).__name__, if_failed)
        finally:
            self._free.release()

    def _give_up(self, phone: str, purpose: str, reason: str, if_failed: Callable[[], None] | None) -> None:
        self._count(if_failed, "failed")
        event = "notice_not_sent" if if_failed is None else "code_not_sent"
        logger().error(event, phone=f"*{phone[-4:]}", purpose=purpose, reason=reason)
        if if_failed is not None:
            with self._app.app_context():
                run_unit(if_failed, writes=True)

    def _count(self, if_failed: Callable[[], None] | None, outcome: str) -> None:
        kind = "notice" if if_failed is None else "code"
        metrics.MESSAGES.labels(self._provider, kind, outcome).inc()


def build_sender(settings: Settings) -> CodeSender:
    """The sender that SMS_SENDER names. Raises BadEnvironment where its library is not installed."""
    name = settings.sms_sender
    try:
        module = import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("volunteer_api"):
            raise BadEnvironment(f"SMS_SENDER {name!r} is none of: console, aliyun, tencent.") from error
        raise BadEnvironment(f"SMS_SENDER is {name}, whose library is missing: {GET_EXTRAS}") from error
    sender: CodeSender = module.make(settings.sms)
    return sender


def configure_outbox(app: Flask, settings: Settings) -> None:
    """Give the application its outbox. Raises BadEnvironment."""
    app.extensions[EXTENSION] = Outbox(app, build_sender(settings), settings.sms_sender)


def outbox() -> Outbox:
    """The application's outbox."""
    found: Outbox = current_app.extensions[EXTENSION]
    return found
