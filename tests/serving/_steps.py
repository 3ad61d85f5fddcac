"""Holding the fake model between two steps of an answer."""

import threading


class Steps(threading.Semaphore):
    """In place of the model's gate: lets as many steps pass as there are releases, all once it is set."""

    def wait(self, timeout: float) -> bool:
        return self.acquire(timeout=timeout)

    def set(self) -> None:
        self.release(1000)
