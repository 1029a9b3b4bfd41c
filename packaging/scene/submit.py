"""Submits numbered messages and prints how many were answered 250. Arguments: PASSWORD COUNT."""
import smtplib
import ssl
import sys

taken = 0
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
with smtplib.SMTP("127.0.0.1", 587, timeout=60) as relay:
    relay.starttls(context=trust)
    relay.login("app", sys.argv[1])
    for number in range(int(sys.argv[2])):
        text = f"From: orders@acme.example\r\nTo: r{number}@reader.example\r\nSubject: {number}\r\nX-Number: {number}\r\n\r\nHello\r\n"
        relay.sendmail("orders@acme.example", [f"r{number}@reader.example"], text)
        taken += 1
print(taken)
