"""Clients that ask until they are told to stop, whatever happens to the process: a request without an answer is sent again, with the
same Idempotency-Key, until it has one. What they ask is told by a module of its own for each application, with

    OPTIONS                   of the process
    prepare(process)          before the load
    request(chance, known)    the next request; `known` are those that were acknowledged
    check(process, clients)   afterwards: nothing acknowledged is lost, nothing was done twice, every process has come to its end
"""
import http.client
import os
import random
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'scenario'))
import edda  # noqa: E402
from edda import holds, same  # noqa: E402


class Request:
    """A POST, and its answer once it has one that is among `statuses`. `asked_epoch`, `epoch`: how often the process had been started when it
    was sent first, and when the answer came."""

    def __init__(self, path, body=None, statuses=(201,)):
        self.path, self.body, self.statuses = path, body, statuses
        self.key = self.asked_epoch = self.epoch = self.status = self.answer = None
        self.sent = 0


class Load:
    """Some clients, each with a connection of its own and one request under way at a time."""

    def __init__(self, seed, application, clients=4):
        self.request = application.request
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.process = None  # None: there is none, or it is about to be killed
        self.epoch = 0
        self.stopping = False
        self.acknowledged = []
        self.resent = 0
        self.wrong = []
        self.threads = [threading.Thread(target=self._ask, args=(n, random.Random(f'{seed}/{n}')), daemon=True) for n in range(clients)]

    def start(self, process):
        """The process is there, for the first time or again."""
        with self.lock:
            self.process = process
            self.epoch += 1
            self.changed.notify_all()
        for thread in self.threads:
            if not thread.ident:
                thread.start()

    def gone(self):
        with self.lock:
            self.process = None

    def stop(self):
        """Lets every client have the answer to its last request."""
        with self.lock:
            self.stopping = True
        for thread in self.threads:
            thread.join(edda.LIMIT_S)
            holds(not thread.is_alive(), 'a client has no answer to its last request')
        same(self.wrong, [], 'answers that are none of those expected')

    def _connect(self, known):
        """A client of the process that is there now; `known` when that is the one it has."""
        with self.changed:
            holds(self.changed.wait_for(lambda: self.process, edda.LIMIT_S * 4), 'there is no process')
            if known and known[0] is self.process:
                return known
            return self.process, self.process.client(), self.epoch

    def _ask(self, number, chance):
        connection = None
        count = 0
        while not self.stopping:
            with self.lock:
                request = self.request(chance, self.acknowledged)
                request.key, request.asked_epoch = f'{number}-{count}', self.epoch
            count += 1
            while request.status is None and not self.wrong:
                try:
                    connection = self._connect(connection)
                    self._send(request, connection)
                except (OSError, http.client.HTTPException):
                    connection = None
                except AssertionError as wrong:
                    self.wrong.append(str(wrong))
            if self.wrong:
                return

    def _send(self, request, connection):
        request.sent += 1
        answer = connection[1].ask('POST', request.path, request.body, {'Idempotency-Key': request.key})
        if answer.status == 503:  # it is stopping
            raise ConnectionError(answer)
        holds(answer.status in request.statuses,
              f'{request.key} {request.path} {request.body}, sent {request.sent} times: {answer}')
        is_json = 'json' in answer.headers.get('Content-Type', '')
        request.answer, request.epoch = answer.json if is_json else None, connection[2]
        request.status = answer.status
        with self.lock:
            self.acknowledged.append(request)
            self.resent += request.sent > 1
