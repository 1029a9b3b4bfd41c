"""A mail server that takes everything: it notes the number of each message in a file. Arguments: PORT FILE."""
import socketserver
import sys


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        def say(line):
            self.wfile.write(line + b"\r\n")

        say(b"220 sink.example")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"EHLO":
                say(b"250 sink.example")
            elif verb == b"DATA":
                say(b"354 go on")
                number = None
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    if line.lower().startswith(b"x-number:"):
                        number = line.split()[1].decode()
                # Noted first, so that nothing that was taken is missing in the file.
                with open(sys.argv[2], "a") as file:
                    file.write(f"{number}\n")
                say(b"250 taken")
            elif verb == b"QUIT":
                say(b"221 bye")
                return
            else:
                say(b"250 ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Session).serve_forever()
