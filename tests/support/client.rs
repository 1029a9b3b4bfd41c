//! A client that speaks SMTP line by line, so that a test sees every reply and may say anything.

use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(port: u16) -> Self {
        Self::try_connect(port).expect("the relay takes the connection")
    }

    pub fn try_connect(port: u16) -> std::io::Result<Self> {
        Self::greet(TcpStream::connect(("127.0.0.1", port))?)
    }

    /// Connects from an address of one's own on loopback.
    pub fn connect_from(local: SocketAddr, port: u16) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&local.into()).expect("the address is on loopback");
        let relay = SocketAddr::from(([127, 0, 0, 1], port));
        socket.connect(&relay.into()).expect("the relay takes the connection");
        Self::greet(socket.into()).expect("a greeting")
    }

    fn greet(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: BufReader::new(stream) };
        let greeting = client.reply()?;
        if greeting.starts_with("220") { Ok(client) } else { Err(std::io::Error::other(greeting)) }
    }

    /// Connects, says EHLO and authenticates.
    pub fn login(port: u16, user: &str, password: &str) -> Self {
        let mut client = Self::connect(port);
        assert!(client.say("EHLO client.example").starts_with("250"));
        let secret = data_encoding::BASE64.encode(format!("\0{user}\0{password}").as_bytes());
        let reply = client.say(&format!("AUTH PLAIN {secret}"));
        assert!(reply.starts_with("235"), "{reply}");
        client
    }

    /// Says a line and reads its reply; empty where the relay closed the connection.
    pub fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply().unwrap_or_default()
    }

    /// Writes bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Reads one reply, its lines joined by `\n`.
    pub fn reply(&mut self) -> std::io::Result<String> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return if text.is_empty() {
                    Err(std::io::ErrorKind::UnexpectedEof.into())
                } else {
                    Ok(text)
                };
            }
            text.push_str(line.trim_end());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(text);
            }
            text.push('\n');
        }
    }

    /// Submits a message; the reply to the dot, or the first refusal.
    pub fn submit(&mut self, from: &str, to: &[&str], message: &str) -> String {
        let reply = self.say(&format!("MAIL FROM:<{from}>"));
        if !reply.starts_with("250") {
            return reply;
        }
        for to in to {
            let reply = self.say(&format!("RCPT TO:<{to}>"));
            if !reply.starts_with("250") {
                return reply;
            }
        }
        let reply = self.say("DATA");
        if !reply.starts_with("354") {
            return reply;
        }
        self.send(message.replace("\r\n.", "\r\n..").as_bytes());
        self.say(".")
    }

    /// Whether the relay has closed the connection. The kernel resets one on which something lay unread.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(fault) => fault.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// A plain message from acme.
pub fn letter(subject: &str) -> String {
    format!(
        "From: Acme <news@acme.example>\r\nTo: reader@reader.example\r\nSubject: {subject}\r\n\r\n\
         Hello.\r\n\r\nTo reject, please reply R.\r\n"
    )
}
