"""Relent between one generator and one sink: the release binary, AUTH in clear from loopback, unsigned mail, and a name
server of its own that sends every domain to the sink. Mail is of a marketing stream, and every recipient is looked up in records
of a million suppressions and a million consents, made once and copied for each run."""
import json, os, shutil, socket, struct, subprocess, threading
from pathlib import Path

HOME = Path(__file__).resolve().parents[4]
RELENT = os.environ.get("RELENT", HOME / "target/release/relent")
NAMES = ("127.0.0.1", 2653)
ROWS = 1_000_000
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


def relent(folder, *verb):
    argv = [RELENT, *verb, "--config", folder / "relent.toml"]
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout


def settings(folder, run, mode):
    keys = f'certificate = "{run}/tls/cert.pem"\nkey = "{run}/tls/key.pem"'
    patience = 'timeout = "1h"\nlookups_timeout = "1h"' if mode == "hold" else ""
    text = SETTINGS.format(data=folder / "data", folder=folder, tls=keys, dns=patience)
    (folder / "relent.toml").write_text(text)


def records(run):
    """A data folder with the records; made where there is none yet."""
    made = run / "relent-records"
    if (made / "password").exists():
        return made
    folder = run / "relent-making"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings(folder, run, "relay")
    daemon = subprocess.Popen([RELENT, "serve", "--config", folder / "relent.toml"], stdout=subprocess.PIPE)
    daemon.stdout.readline()  # ready
    relent(folder, "account", "add", "bench")
    relent(folder, "domain", "add", "bench", "bench.test", "--trust", "--dkim", "none")
    relent(folder, "stream", "add", "bench", "mail", "--kind", "marketing")
    credential = json.loads(relent(folder, "credential", "add", "bench", "--name", "bench", "--json"))
    for name, letter in (("stops", "s"), ("consents", "r")):
        rows = "\n".join(f"{letter}{n}@sink.test" for n in range(ROWS))
        (folder / f"{name}.csv").write_text(f"address\n{rows}\n")
    relent(folder, "suppression", "import", "bench", folder / "stops.csv")
    relent(folder, "consent", "import", "bench/mail", folder / "consents.csv", "--source", "a bench")
    daemon.terminate()
    daemon.wait()
    (folder / "data/password").write_text(credential["password"])
    shutil.rmtree(made, ignore_errors=True)
    (folder / "data").rename(made)
    shutil.rmtree(folder)
    return made


def prepare(b, mode, tls):
    global names, password
    stop(b)
    run = b.dir.parent
    made = records(run)
    password = (made / "password").read_text()
    shutil.copytree(made, b.dir / "data")
    settings(b.dir, run, mode)
    names = Names(silent=mode == "hold")
    names.start()


def start(b, mode):
    b.relay_group.spawn([RELENT, "serve", "--config", b.dir / "relent.toml"], stdout=b.log(), stderr=b.log())


def login(b):
    return f"bench:{password}"


def spool(b):
    return b.dir / "data"


def stop(b):
    global names
    if names is not None:
        names.stop()
        names = None
