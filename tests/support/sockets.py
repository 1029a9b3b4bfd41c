"""Does for the daemon what systemd does with relent.socket: opens the listeners of its settings and hands them over.

    sockets.py SETTINGS MORE PROGRAM ARGUMENT...

Each `:0` of [listen] becomes a port: as root one that only root may open, after which the rights are given up, all of
them, before the program starts. MORE is `stray` for one socket that no setting names, `udp` for one that takes no
connections, `short` for one fewer than the settings have, or `-`.
"""
import ctypes
import fcntl
import os
import re
import socket
import sys

settings, more, program = sys.argv[1:4]
is_root = os.geteuid() == 0


def open_one(address="127.0.0.1"):
    for port in range(1023, 600, -1) if is_root else [0]:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Two may bind one port: it is whose it is once somebody listens.
            listener.bind((address, port))
            listener.listen()
            return listener
        except OSError:
            listener.close()
    raise SystemExit("no port is free")


with open(settings) as file:
    text = file.read()
listen = text[text.index("[listen]"):]
listen = listen[:listen.index("admin")]
opened = [open_one() for _ in re.findall(r":0\"", listen)]
ports = iter([listener.getsockname()[1] for listener in opened])
fixed = re.sub(r":0\"", lambda _: ":%d\"" % next(ports), listen)
with open(settings, "w") as file:
    file.write(text.replace(listen, fixed))
names = ["relent.socket"] * len(opened)
if more == "short":
    opened.pop().close()
    names.pop()
if more == "stray":
    opened.append(open_one("127.0.0.77"))
    names.append("other.socket")
if more == "udp":
    opened.append(socket.socket(type=socket.SOCK_DGRAM))
    names.append("other.socket")

# Far out of the way first, so that none is overwritten before it was copied.
kept = [os.dup(listener.fileno()) for listener in opened]
high = []
for descriptor in kept:
    high.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100))
for place, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + place, inheritable=True)
for descriptor in range(3 + len(high), 200):
    try:
        os.close(descriptor)
    except OSError:
        pass
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(high))
os.environ["LISTEN_FDNAMES"] = ":".join(names)
if is_root:
    home = os.path.dirname(settings)
    for folder, _, files in os.walk(home):
        os.chown(folder, 65534, 65534)
        for file in files:
            os.lchown(os.path.join(folder, file), 65534, 65534)
    for capability in range(64):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
os.execv(program, sys.argv[3:])
