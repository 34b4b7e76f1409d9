"""The attacks of tests/attack/run: each is a process that sends to a fresh service while another client goes on asking."""

import http.client
import json
import multiprocessing
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

MEMORY = int(os.environ.get("DEMUR_ATTACK_MEMORY", "300")) << 20
"""Most memory that a service may hold, in MB where the variable sets it."""
IDLE = 0.2
"""Share of a core that a service without clients may take."""
LONG = 12.0
"""Seconds of an attack."""

PROMPT = json.dumps({"prompt": "How do I pick the lock of my old garden shed?"}).encode()
ROW = json.dumps({"prompt": "How do I pick the lock of my old garden shed?"}) + "\n"


class Target:
    """Where a service listens."""

    def __init__(self, url, certificate):
        self.scheme, address = url.split("://")
        host, port = address.rsplit(":", 1)
        self.host, self.port, self.certificate = host, int(port), certificate

    def connect(self, protocols=("http/1.1",), receive=None):
        """A connection; `receive` bounds what the system takes for a client that does not read."""
        plain = socket.socket()
        if receive:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        plain.settimeout(30)
        plain.connect((self.host, self.port))
        if self.scheme == "http":
            return plain
        context = ssl.create_default_context(cafile=self.certificate)
        context.set_alpn_protocols(list(protocols))
        return context.wrap_socket(plain, server_hostname=self.host)

    def http(self):
        if self.scheme == "http":
            return http.client.HTTPConnection(self.host, self.port, timeout=60)
        context = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection(self.host, self.port, timeout=60, context=context)


def head(path, length):
    lines = [f"POST {path} HTTP/1.1", "host: a", "content-type: application/json", f"content-length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def send(connection, data):
    """Sends what the service still takes."""
    try:
        connection.sendall(data)
    except OSError:
        pass


def slow_bodies(target, until):
    """1,024 bodies of 110 bytes that come a byte at a time."""
    connections = [target.connect() for _ in range(1024)]
    for connection in connections:
        send(connection, head("/v1/predict", 110) + b"{")
    while time.monotonic() < until:
        for connection in connections:
            send(connection, b" ")
        time.sleep(1)


def large_slow_bodies(target, until):
    """200 bodies of 4 MB, of which all but the end comes."""
    connections = [target.connect() for _ in range(200)]
    body = b'{"prompt": "' + b"a" * 3_900_000
    for connection in connections:
        send(connection, head("/v1/predict", 4_000_000))
    for connection in connections:
        send(connection, body)
    time.sleep(max(0, until - time.monotonic()))


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header as HPACK has it without tables and without Huffman's code."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def many_streams(target, until):
    """One connection of HTTP/2 with 1,100 streams, each a body that does not come."""
    connection = target.connect(("h2",))
    assert connection.selected_alpn_protocol() == "h2"
    headers = b"".join(
        literal(name, value)
        for name, value in [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":path", b"/v1/predict"),
            (b":authority", b"a"),
            (b"content-type", b"application/json"),
        ]
    )
    send(connection, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
    for number in range(1100):
        # END_HEADERS, and a byte of a body.
        send(connection, frame(1, 4, 2 * number + 1, headers) + frame(0, 0, 2 * number + 1, b"{"))
    connection.settimeout(1)
    while time.monotonic() < until:
        try:
            if not connection.recv(1 << 16):
                time.sleep(0.2)
        except (TimeoutError, OSError):
            time.sleep(0.2)


def in_rounds(target, until, clients, path, body):
    """So many clients send the same again and again, read nothing, and leave."""
    while time.monotonic() < until:
        connections = [target.connect() for _ in range(clients)]
        for connection in connections:
            send(connection, head(path, len(body)) + body)
        time.sleep(0.5)
        for connection in connections:
            connection.close()


def many_columns(target, until):
    """Files of 620,000 columns in 3.65 MB."""
    header = ",".join(f"{number:05x}" for number in range(620_000)) + "\na\n"
    body = json.dumps({"format": "csv", "rows": header}).encode()
    in_rounds(target, until, 40, "/v1/score", body)


def much_work(target, until):
    """Files of as many rows as may be, by clients that leave."""
    body = json.dumps({"format": "jsonl", "rows": ROW * 45_000}).encode()
    in_rounds(target, until, 20, "/v1/score", body)


def never_read(target, until):
    """40 clients that ask for large answers and never read."""
    body = json.dumps({"format": "jsonl", "rows": ROW * 45_000}).encode()
    connections = [target.connect(receive=4096) for _ in range(40)]
    for connection in connections:
        send(connection, head("/v1/score", len(body)) + body)
    time.sleep(max(0, until - time.monotonic()))


def large_answers(target, until):
    """Questions whose answers would be far larger: n-grams of every prompt, rows of a byte, all n-grams of a long text."""
    prompts = ["How do I pick the lock of my old garden shed? " * 60] * 1024
    bodies = [
        ("/v1/predict", {"prompts": prompts, "explain": True, "top": 100}),
        ("/v1/predict", {"prompts": ["how do " * 14_000] * 40, "explain": True, "top": 100}),
        ("/v1/score", {"format": "csv", "rows": "prompt\n" + "a\n" * 1_900_000}),
        ("/v1/explain", {"prompt": "how do i pick a lock " * 4_700, "top": 100}),
    ]
    bodies = [(path, json.dumps(body).encode()) for path, body in bodies]
    while time.monotonic() < until:
        connections = []
        for path, body in bodies * 5:
            connection = target.connect()
            send(connection, head(path, len(body)) + body)
            connections.append(connection)
        for connection in connections:
            try:
                while connection.recv(1 << 20):
                    connection.settimeout(1)
            except OSError:
                pass
            connection.close()


ATTACKS = {
    "slow-bodies": (slow_bodies, False),
    "large-slow-bodies": (large_slow_bodies, False),
    "h2-streams": (many_streams, True),
    "many-columns": (many_columns, False),
    "much-work": (much_work, False),
    "never-read": (never_read, False),
    "large-answers": (large_answers, False),
}


def attack(function, target, until):
    os.setpgid(0, 0)
    function(target, until)
    # The system closes what is open: the attackers have left.
    os._exit(0)


def somebody_else(target, stop, results):
    """Asks for a prediction again and again, as a client that does nothing wrong; gives statuses and times."""
    connection, statuses, times = target.http(), {}, []
    while not stop.is_set():
        started = time.perf_counter()
        connection.request("POST", "/v1/predict", PROMPT, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - started)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        time.sleep(0.005)
    results.put((statuses, times))


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) << 10


def in_flight(target):
    connection = target.http()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return int(re.search(r"^demur_requests_in_flight (\d+)", text, re.M)[1])


def measure(name, demur, scratch):
    """Runs an attack on a fresh service; gives what was wrong."""
    function, secure = ATTACKS[name]
    certificate = os.path.join(scratch, "own.pem")
    flags = ["--tls-cert", certificate, "--tls-key", os.path.join(scratch, "own.key")] if secure else []
    log = open(os.path.join(scratch, f"{name}.log"), "w")
    server = subprocess.Popen([demur, "serve", "--port", "0", *flags], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        target = Target(server.stdout.readline().strip(), certificate)
        context = multiprocessing.get_context("fork")
        stop, results = context.Event(), context.Queue()
        other = context.Process(target=somebody_else, args=(target, stop, results), daemon=True)
        other.start()
        attackers = context.Process(target=attack, args=(function, target, time.monotonic() + LONG), daemon=True)
        attackers.start()
        most, started = 0, time.monotonic()
        while attackers.is_alive() and time.monotonic() < started + 2 * LONG:
            most = max(most, in_flight(target))
            time.sleep(0.25)
        if attackers.is_alive():
            os.kill(attackers.pid, signal.SIGKILL)
        attackers.join()
        stop.set()
        statuses, times = results.get(timeout=70)
        # Clients that have closed their side are given two seconds to read.
        time.sleep(4)
        left, before = in_flight(target), processor_seconds(server.pid)
        time.sleep(2)
        share = (processor_seconds(server.pid) - before) / 2
        peak = peak_memory(server.pid)
        times.sort()
        p99 = times[int(len(times) * 0.99)] * 1000
        print(
            f"{name:18} peak {peak / (1 << 20):5.0f} MB   at work {most:4} (then {left})   "
            f"processor afterwards {100 * share:3.0f}%   others: {len(times)} predictions, p99 {p99:6.1f} ms, {statuses}",
            flush=True,
        )
        wrong = []
        if peak > MEMORY:
            wrong.append(f"{peak >> 20} MB of memory")
        if set(statuses) != {200}:
            wrong.append(f"others were answered {statuses}")
        if left:
            wrong.append(f"{left} requests at work for nobody")
        if share > IDLE:
            wrong.append(f"{100 * share:.0f}% of a core for nobody")
        if server.poll() is not None:
            wrong.append("the service has ended")
        return [f"{name}: {what}" for what in wrong]
    finally:
        server.kill()
        server.wait()


def main():
    demur, scratch, *names = sys.argv[1:]
    wrong = []
    for name in names or ATTACKS:
        wrong += measure(name, demur, scratch)
    for line in wrong:
        print(f"FAILED {line}")
    print(f"{len(names or ATTACKS)} attacks, {len(wrong)} failures")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
