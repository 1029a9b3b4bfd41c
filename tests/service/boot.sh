#!/bin/bash
# Runs inside the small machine of `boot.rs`, as a unit of its systemd: what a system administrator would look at on
# the first evening. What is seen goes to /result, a file each.
exec >/result/log 2>&1
cd /result
# Whatever happens, what was said is kept.
trap 'journalctl --no-pager --output=cat --unit=relent.service >journal' EXIT
relent="/opt/relent --config /etc/relent/relent.toml"
shows() { systemctl show --property="$1" --value relent.service; }
waits_for() { for _ in $(seq 1200); do eval "$1" && return 0; sleep 0.05; done; return 1; }

systemctl start relent.socket relent.service
echo $? >started
systemctl is-active relent.service || exit
systemctl is-active relent.service >active
waits_for '[[ $(shows StatusText) == ready:* ]]'
shows StatusText >status
pid=$(shows MainPID)
cat /proc/"$pid"/task/*/status >threads
id -u relent >user
stat -c '%U %a' /var/lib/relent /run/relent /run/relent/admin.sock >folders

$relent account add acme && $relent domain add acme acme.example --trust &&
    $relent stream add acme receipts --kind transactional --reply-to support@acme.example &&
    $relent credential add acme --name app --json >credential
# By the ports that only systemd may open: submission, implicit TLS with the key that was handed over, pages.
python3 - >mail <<'PYTHON'
import json, smtplib, ssl, urllib.request
secret = json.load(open("/result/credential"))["password"]
trusted = ssl.create_default_context(cafile="/etc/relent/certificate.pem")
trusted.check_hostname = False
letter = "From: shop@acme.example\r\nTo: ann@reader.example\r\nSubject: Receipt\r\n\r\nThank you.\r\n"
for port, kind in [(587, smtplib.SMTP), (465, smtplib.SMTP_SSL)]:
    if port == 465:
        server = kind("127.0.0.1", port, context=trusted)
    else:
        server = kind("127.0.0.1", port)
        server.starttls(context=trusted)
    server.login("app/receipts", secret)
    server.sendmail("shop@acme.example", ["ann@reader.example"], letter)
    server.quit()
    print(port, "taken")
server = smtplib.SMTP("127.0.0.1", 25)
print(25, server.ehlo("mx.reader.example")[0])
print(8025, urllib.request.urlopen("http://127.0.0.1:8025/livez").read().decode().strip())
PYTHON
$relent queue list --json >queue

# A reload, and a stop and a start, lose nothing; the sockets stay systemd's. A key that was renewed meanwhile is handed
# over by the start, and not by the reload.
shown() {
    python3 -c 'import ssl; print(ssl.get_server_certificate(("127.0.0.1", 465)))'
}
shown >shown.before
cp /etc/relent/renewed.pem /etc/relent/certificate.pem
cp /etc/keys/renewed.pem /etc/keys/relent.pem
systemctl reload relent.service
echo $? >reloaded
waits_for 'journalctl --no-pager --output=cat --unit=relent.service | grep -q "not reloaded: .*does not fit"'
shown >shown.reloaded
systemctl restart relent.service
echo $? >restarted
shown >shown.restarted
$relent queue list --json >queue.after

# A process that answers nothing is ended and started anew.
before=$(shows MainPID)
kill -STOP "$before"
waits_for '[[ $(shows MainPID) != "$before" && $(shows ActiveState) == active ]]' &&
    echo "started anew after $(shows NRestarts)" >watchdog
$relent queue list --json >queue.anew

systemctl stop relent.service
shows Result >stopped

# Port 443, as the book's first evening adds it; `systemctl edit` reads units anew by itself.
mkdir -p /etc/systemd/system/relent.socket.d
printf '[Socket]\nListenStream=0.0.0.0:443\n' >/etc/systemd/system/relent.socket.d/override.conf
printf '[listen]\nhttps = ["0.0.0.0:443"]\n' >>/etc/relent/relent.toml
systemctl daemon-reload
systemctl restart relent.socket relent.service
echo $? >added
python3 - >pages <<'PYTHON'
import ssl, urllib.request
trusted = ssl.create_default_context(cafile="/etc/relent/certificate.pem")
trusted.check_hostname = False
print(urllib.request.urlopen("https://127.0.0.1/livez", context=trusted).read().decode().strip())
PYTHON
echo done >end
