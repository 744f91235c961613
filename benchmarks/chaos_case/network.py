"""The network between uplink and broker: a TCP relay that can be cut or fall silent."""

from __future__ import annotations

import socket
import threading

_CHUNK_BYTES = 65_536
_DIAL_S = 5.0


class Network:
    """Relays connections on a port of its own to a broker.

    Args:
        broker: Host and port.
    """

    def __init__(self, broker: tuple[str, int]) -> None:
        self._broker = broker
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut = False
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="network", daemon=True).start()

    def cut(self) -> None:
        """End all connections, and let none come about."""
        self._is_cut = True
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            _shut(end)

    def fall_silent(self) -> None:
        """Hold back every byte, with all connections open."""
        self._flows.clear()

    def mend(self) -> None:
        """Relay again, and first what was held back."""
        self._is_cut = False
        self._flows.set()

    def close(self) -> None:
        """End for good."""
        self.mend()
        _shut(self._listener)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near: socket.socket) -> None:
        self._flows.wait()
        try:
            far = socket.create_connection(self._broker, _DIAL_S)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            self._ends |= {near, far}
        back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
        back.start()
        if self._is_cut:
            _shut(near)
        self._pump(near, far)
        back.join()
        with self._lock:
            self._ends -= {near, far}
        near.close()
        far.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(_CHUNK_BYTES):
                self._flows.wait()
                sink.sendall(data)
        except OSError:  # either end was cut
            pass
        _shut(source)
        _shut(sink)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:  # it was not connected any more
        return
