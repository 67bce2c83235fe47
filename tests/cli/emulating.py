# SPDX-License-Identifier: MIT
"""opu emulate: usage, and a device that a USB/IP client of a few lines lists, imports and asks: emulating.py OPU."""

import json
import pathlib
import signal
import socket
import struct
import tempfile
import time

from command import Skip, main

VHCI = pathlib.Path("/sys/devices/platform/vhci_hcd.0")
SEED = "sim:seed=5"

# Words after "emulate"; exit code; glob of stderr.
CASES = (
    ("--attach --listen", 2, "*saw 2 ways to the bus, wanted one of --attach, *"),
    ("--port 4000", 2, "*--port goes with --listen*"),
    ("--listen --port 0", 2, "*--port: saw '0'*"),
    ("--udc a=b", 2, "*--udc goes with --functionfs*"),
    ("--listen --id 12", 2, "*--id: saw '12', wanted VVVV:PPPP*"),
    ("--listen --id 12345:1", 2, "*--id: saw '12345:1'*"),
    ("--listen --id 12g4:1", 2, "*--id: saw '12g4:1'*"),
    ("--listen --rate 0", 2, "*--rate: saw '0'*"),
    ("--listen --fault stal=0.1", 2, "*faults: 'stal=0.1' isn't understood; wanted*stall*"),
    ("--listen --fault stall=2", 2, "*'stall=2' isn't understood*"),
    ("--listen --serial a,b", 2, "*serial: saw 'a,b'*"),
    ("--listen --optics smi:", 3, "*smi*"),
    ("--listen --optics exact:", 3, "*"),
    ("--functionfs .", 1, "*./ep0: No such file*functionfs*"),
    ("--functionfs . --udc nothing", 2, "*udc: saw 'nothing', wanted FILE=NAME*"),
    ("--usbredir no/such/folder/socket", 1, "*no/such/folder/socket: *"),
    ("more", 2, "*unexpected argument 'more'*"),
)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    """As much of a USB/IP host as a test needs."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.sequence = 0

    def receive(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            assert more, f"the connection ended after {len(data)} of {n} bytes"
            data += more
        return data

    def list(self):
        self.socket.sendall(struct.pack(">HHI", 0x0111, 0x8005, 0))
        return self.receive(328)

    def take(self):
        self.socket.sendall(struct.pack(">HHI", 0x0111, 0x8003, 0) + b"1-1".ljust(32, b"\0"))
        return self.receive(320)

    def control(self, kind, request, value=0, n=0, data=b""):
        self.sequence += 1
        setup = struct.pack("<BBHHH", kind, request, value, 0, n)
        head = (1, self.sequence, 0x10002, kind >> 7, 0, 0, n, 0, 0, 0)
        self.socket.sendall(struct.pack(">10I", *head) + setup + data)
        answer = struct.unpack(">5IiI5I", self.receive(48))
        assert answer[:2] == (3, self.sequence), answer
        return answer[5], self.receive(answer[6]) if kind & 0x80 else b""


def started(bench, *words):
    """The command, once it says that it is ready, and that line."""
    port = free_port()
    process = bench.start("emulate", "--optics", SEED, "--listen", "--port", port, *words)
    line = process.stderr.readline()
    assert "USB/IP on 127.0.0.1" in line, line + process.stderr.read()
    return process, port, line


def ended(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, (process.returncode, out, err)
    return out, err


def every_wrong_use_has_its_sentence(bench):
    for words, code, err in CASES:
        bench.opu("emulate", *words.split()).wants(code, "", err)


def help_names_the_two_commands_a_user_needs(bench):
    text = bench.opu("emulate", "--help").wants(0, "opu emulate - *Examples:*", "").out
    for words in ("sudo modprobe vhci-hcd", "sudo opu emulate --optics sim:", "opu check usb:"):
        assert words in text, f"help lacks {words!r}"
    assert all(len(line) <= 100 for line in text.splitlines())


def a_kernel_without_the_client_is_told_how_to_load_it(bench):
    if VHCI.exists():
        raise Skip("vhci_hcd is loaded here")
    bench.opu("emulate").wants(3, "", "*no USB/IP client*sudo modprobe vhci-hcd*")
    error = bench.opu("emulate", "--attach", "--json").wants(3).document()["error"]
    assert error["status"] == "OPU_E_NOT_FOUND", error


def a_client_lists_imports_and_asks(bench):
    process, port, line = started(bench, "--serial", "LAB-7", "--id", "1209:0001")
    try:
        assert "usb 1209:0001, serial LAB-7" in line, line
        seen = Client(port).list()
        assert seen[:12] == bytes.fromhex("01110005 00000000 00000001") and seen[324:] == b"\xff\x4f\x01\0", seen
        client = Client(port)
        assert client.take()[:8] == bytes.fromhex("01110003 00000000")
        status, device = client.control(0x80, 6, 0x0100, 64)
        assert status == 0 and device[8:12] == bytes.fromhex("09120100"), device
        status, text = client.control(0x80, 6, 0x0300 | device[16], 255)
        assert status == 0 and text[2:].decode("utf-16-le") == "LAB-7", text
        assert client.control(0x00, 9, 1)[0] == 0
        status, info = client.control(0xC1, 1, 0, 1024)
        assert status == 0 and struct.unpack_from("<HH", info) == (1, len(info) - 8), info
        assert struct.unpack("<I", info[-4:])[0] == crc32c(info[:-4]), "INFO's CRC"
        assert b"LAB-7" in info
        assert client.control(0xC1, 0x7F, 0, 64)[0] == -32, "an unknown request stalls"
    finally:
        out, _ = ended(process)
    assert "packets          0 taken" in out, out


def a_second_host_finds_it_busy(bench):
    process, port, _ = started(bench)
    try:
        first = Client(port)
        first.take()
        second = Client(port)
        second.socket.sendall(struct.pack(">HHI", 0x0111, 0x8003, 0) + b"1-1".ljust(32, b"\0"))
        assert struct.unpack(">HHI", second.receive(8))[2] == 2, "busy"
        first.socket.close()
        for _ in range(100):  # the first one's end is noticed soon, not at once
            third = Client(port)
            third.socket.sendall(struct.pack(">HHI", 0x0111, 0x8003, 0) + b"1-1".ljust(32, b"\0"))
            if struct.unpack(">HHI", third.receive(8))[2] == 0:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the device stays taken after its host has gone")
    finally:
        ended(process)


def a_port_that_is_taken_is_told(bench):
    process, port, _ = started(bench)
    try:
        bench.opu("emulate", "--listen", "--port", port).wants(3, "", f"*127.0.0.1 port {port}: *in use*")
    finally:
        ended(process)


def statistics_are_one_document(bench):
    process, port, _ = started(bench, "--json", "--fault", "stall=0.5", "--fault", "seed=3")
    Client(port).take()
    out, _ = ended(process)
    document = json.loads(out)
    assert document["schema"] == 1 and document["command"] == "emulate", document
    assert document["optics"] == SEED and "serial" in document["device"], document
    assert document["statistics"]["frames"] == 0 and document["statistics"]["laser_s"] == 0, document


def a_usbredir_socket_is_made_and_removed(bench):
    with tempfile.TemporaryDirectory(prefix="opu-") as folder:  # a socket's path is at most 107 letters long
        path = pathlib.Path(folder) / "s"
        process = bench.start("emulate", "--optics", SEED, "--usbredir", path)
        line = process.stderr.readline()
        if "no usbredir" in line:
            process.communicate()
            raise Skip("this build has no usbredir")
        assert f"listening on {path}" in line and path.is_socket(), line
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(20)
            peer.connect(str(path))
            hello = peer.recv(12 + 64, socket.MSG_WAITALL)
            assert struct.unpack_from("<II", hello) == (0, 68) and hello[12:].startswith(b"opu"), hello
        out, err = process.communicate(timeout=20)  # the peer has hung up
        assert process.returncode == 0 and "frames shown" in out, (out, err)
        assert not path.exists()


if __name__ == "__main__":
    main(every_wrong_use_has_its_sentence, help_names_the_two_commands_a_user_needs,
         a_kernel_without_the_client_is_told_how_to_load_it, a_client_lists_imports_and_asks,
         a_second_host_finds_it_busy, a_port_that_is_taken_is_told, statistics_are_one_document,
         a_usbredir_socket_is_made_and_removed)
