#!/usr/bin/env python3
"""Measures the published binary: size, time from exec to the first answer on the socket, resident memory when idle."""
import os, socket, statistics, subprocess, sys, tempfile, time

RUNS = 11
binary = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "artifacts", "publish", "rbd-replication")

# The first bytes of any HTTP/2 connection: preface and an empty SETTINGS frame. A server answers with its own SETTINGS.
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


def first_answer(path, started):
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
                client.sendall(HELLO)
                if client.recv(9):
                    return time.monotonic() - started
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.001)


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def main():
    starts, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "serve.sock")
        for _ in range(RUNS):
            started = time.monotonic()
            server = subprocess.Popen(
                [binary, "serve", "--csi-addons-endpoint", "unix://" + path, "--http-endpoint", "http://127.0.0.1:18080"],
                stderr=subprocess.DEVNULL)
            starts.append(first_answer(path, started))
            subprocess.run([binary, "call", "Probe", "--csi-addons-endpoint", "unix://" + path], check=True, stdout=subprocess.DEVNULL)
            memory.append(resident(server.pid))
            server.terminate()
            if server.wait() != 0:
                sys.exit("the server did not stop cleanly")
    print(f"binary              {os.path.getsize(binary) / 2**20:.1f} MiB")
    print(f"start to answer     {statistics.median(starts):.3f} s (median of {RUNS}, {min(starts):.3f} to {max(starts):.3f})")
    print(f"resident when idle  {statistics.median(memory) / 1024:.0f} MiB")


main()
