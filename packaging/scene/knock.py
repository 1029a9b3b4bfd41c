"""Connects again and again, until a file is there, and waits for each greeting. Prints how many greeted and how many
were refused. Arguments: PORT FILE."""
import os
import socket
import sys

greeted = refused = 0
while not os.path.exists(sys.argv[2]):
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as relay:
            if relay.recv(4).startswith(b"220"):
                greeted += 1
            else:
                refused += 1
    except OSError:
        refused += 1
print(greeted, refused)
