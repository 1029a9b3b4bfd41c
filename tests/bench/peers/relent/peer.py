"""Relent between one generator and one sink: the release binary, AUTH in clear from loopback, unsigned mail, and a name
server of its own that sends every domain to the sink."""
import json, os, socket, struct, subprocess, threading
from pathlib import Path

HOME = Path(__file__).resolve().parents[4]
RELENT = os.environ.get("RELENT", HOME / "target/release/relent")
NAMES = ("127.0.0.1", 2653)
password = None
names = None

SETTINGS = """hostname = "relay.bench.test"
data_dir = "{data}"
[listen]
submission = ["127.0.0.1:2525"]
submissions = ["127.0.0.1:2465"]
inbound = ["127.0.0.1:2625"]
http = ["127.0.0.1:2680"]
admin = "{folder}/admin.sock"
[submission]
plaintext_auth = "loopback"
messages_max = 1000000
[tls]
{tls}
[dns]
nameservers = ["127.0.0.1:2653"]
{dns}
[delivery]
port = 2600
allow_private = true
messages_per_connection_max = 1000000
[log]
level = "warn"
"""


def answer(query):
    """MX of everything is mx.bench.test, whose address is the sink's."""
    end = query.index(b"\0", 12) + 1
    kind = struct.unpack("!H", query[end:end + 2])[0]
    if kind == 15:
        data = struct.pack("!H", 10) + b"\x02mx\x05bench\x04test\0"
    elif kind == 1:
        data = bytes([127, 0, 0, 1])
    else:
        data = None
    head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, int(data is not None), 0, 0)
    record = b"" if data is None else b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data
    return head + query[12:end + 4] + record


class Names(threading.Thread):
    """A name server on UDP; silent, it holds all mail back."""

    def __init__(self, silent):
        super().__init__(daemon=True)
        self.silent = silent
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0.2)
        self.socket.bind(NAMES)
        self.ended = False

    def run(self):
        while not self.ended:
            try:
                query, peer = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            if not self.silent:
                self.socket.sendto(answer(query), peer)

    def stop(self):
        self.ended = True
        if self.is_alive():
            self.join()
        self.socket.close()


def relent(b, *verb):
    argv = [RELENT, *verb, "--config", b.dir / "relent.toml"]
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout


def prepare(b, mode, tls):
    global names
    run = b.dir.parent
    keys = f'certificate = "{run}/tls/cert.pem"\nkey = "{run}/tls/key.pem"'
    patience = 'timeout = "1h"\nlookups_timeout = "1h"' if mode == "hold" else ""
    text = SETTINGS.format(data=b.dir / "data", folder=b.dir, tls=keys, dns=patience)
    (b.dir / "relent.toml").write_text(text)
    stop(b)
    names = Names(silent=mode == "hold")
    names.start()


def start(b, mode):
    b.relay_group.spawn([RELENT, "serve", "--config", b.dir / "relent.toml"], stdout=b.log(), stderr=b.log())


def started(b, mode):
    global password
    relent(b, "account", "add", "bench")
    relent(b, "domain", "add", "bench", "bench.test", "--trust", "--dkim", "none")
    relent(b, "stream", "add", "bench", "mail", "--kind", "transactional")
    password = json.loads(relent(b, "credential", "add", "bench", "--name", "bench", "--json"))["password"]


def login(b):
    return f"bench:{password}"


def spool(b):
    return b.dir / "data"


def stop(b):
    global names
    if names is not None:
        names.stop()
        names = None
