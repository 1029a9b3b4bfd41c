//! The ports: whether our own listeners answer as they should, and whether mail can leave.

use super::Case;
use super::conversation::{Conversation, PATIENCE, first};
use super::finding::Finding;
use super::names::sources;
use crate::config::Config;
use crate::dns::{Resolver, Route};
use crate::mail::Domain;
use crate::tls::{Client, Demand};
use crate::world::World;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpStream;
use tokio::time::timeout;

const AREA: &str = "ports";
/// Most mail servers that are connected to.
const SERVERS_MAX: usize = 3;

/// The addresses of a listener, with ports that the daemon picked, as this machine reaches them. Port 0 stays where
/// nobody says which it became.
#[must_use]
pub fn addresses(config: &Config, key: &str, listed: &[SocketAddr]) -> Vec<SocketAddr> {
    let written = std::fs::read(config.data_dir.join("ports.json")).ok();
    let ports = written.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let picked = |place: usize| {
        let port = ports.as_ref()?.get(key)?.get(place)?.as_u64()?;
        u16::try_from(port).ok()
    };
    let reached = |(place, address): (usize, &SocketAddr)| {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let port = match address.port() {
            0 => picked(place).unwrap_or(0),
            port => port,
        };
        SocketAddr::new(ip, port)
    };
    listed.iter().enumerate().map(reached).collect()
}

/// Connects, within a time.
pub(super) async fn connect(
    world: &World,
    to: SocketAddr,
    from: Option<IpAddr>,
) -> Result<TcpStream, String> {
    match timeout(PATIENCE, world.network.connect(to, from)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(_) => Err(format!("no connection within {} s", PATIENCE.as_secs())),
    }
}

/// Whether each listener answers, as far as this machine can tell.
pub(super) async fn listeners(case: Case<'_>, world: &World) -> Vec<Finding> {
    let listen = &case.config.listen;
    let mut found = Vec::new();
    for (key, listed) in [
        ("submission", &listen.submission),
        ("submissions", &listen.submissions),
        ("inbound", &listen.inbound),
        ("http", &listen.http),
        ("https", &listen.https),
    ] {
        if listed.is_empty() {
            found.push(Finding::ok(AREA, key, "is not listened on, by the settings"));
        }
        for address in addresses(case.config, key, listed) {
            let subject = format!("{key} {address}");
            let heard = match connect(world, address, None).await {
                Ok(stream) => talk(case, key, stream).await,
                Err(why) => Err(why),
            };
            found.push(match heard {
                Ok(text) => Finding::ok(AREA, subject, text),
                Err(why) => Finding::bad(AREA, subject, why, unheard(case, key)),
            });
        }
    }
    found
}

fn unheard(case: Case<'_>, key: &str) -> String {
    match case.daemon {
        None => "start the daemon: `systemctl start relent`, and `journalctl -u relent` if it does not stay"
            .into(),
        Some(_) => format!(
            "see that [listen] {key} is the address of this machine that was meant, and that no firewall \
             is between; its log says more"
        ),
    }
}

/// What a listener says to a few words of its protocol.
async fn talk(case: Case<'_>, key: &str, stream: TcpStream) -> Result<String, String> {
    match key {
        "http" => web(stream).await,
        "submissions" | "https" => {
            let client = Client::load(&case.config.tls).map_err(|fault| fault.to_string())?;
            let name = ServerName::try_from(case.config.hostname.clone())
                .map_err(|_| "hostname is no name for TLS".to_owned())?;
            let secure = timeout(PATIENCE, client.connector(&Demand::Nobody).connect(name, stream));
            let secure = secure.await.map_err(|_| "no TLS handshake in time".to_owned())?;
            let secure = secure.map_err(|fault| format!("TLS: {fault}"))?;
            match key {
                "https" => web(secure).await,
                _ => greeted(&mut Conversation::new(secure)).await,
            }
        }
        _ => {
            let mut talk = Conversation::new(stream);
            let greeting = greeted(&mut talk).await?;
            let offers = talk.ask("EHLO doctor.invalid").await?;
            let _ = talk.ask("QUIT").await;
            match offers.contains("STARTTLS") {
                true => Ok(format!("{greeting}; offers STARTTLS")),
                false => Err("it offers no STARTTLS".into()),
            }
        }
    }
}

async fn greeted<S>(talk: &mut Conversation<S>) -> Result<String, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let greeting = talk.hear().await?;
    match greeting.starts_with("220") {
        true => Ok(format!("answers `{}`", first(&greeting))),
        false => Err(format!("it greets with `{}`", first(&greeting))),
    }
}

/// Whether the daemon calls itself ready.
async fn web<S>(stream: S) -> Result<String, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut talk = Conversation::new(stream);
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let status = talk.ask(request).await?;
    match status.contains(" 200 ") {
        true => Ok("answers, and is ready".into()),
        false => Err(format!("it answers `{}` to GET /readyz", first(&status))),
    }
}

/// Whether a mail server of a domain that was named can be reached, from each address that mail leaves from.
pub(super) async fn outgoing(
    case: Case<'_>,
    resolver: &dyn Resolver,
    world: &World,
) -> Vec<Finding> {
    let Some(name) = case.outgoing else { return Vec::new() };
    let Ok(domain) = Domain::parse(name) else {
        let advice = "name a domain that takes mail, as in --outgoing gmail.com";
        return vec![Finding::bad(AREA, name, "it is no domain", advice)];
    };
    let hosts = match resolver.route(&domain).await {
        Ok(Route::Hosts(hosts)) => hosts,
        Ok(_) => {
            let advice = "name a domain that takes mail, as in --outgoing gmail.com";
            return vec![Finding::bad(AREA, name, "it takes no mail", advice)];
        }
        Err(fault) => {
            let advice = "see that this machine reaches its name servers";
            let text = format!("its mail servers cannot be looked up: {fault}");
            return vec![Finding::bad(AREA, name, text, advice)];
        }
    };
    let mut servers = Vec::new();
    for host in hosts.iter().take(SERVERS_MAX) {
        let addresses = resolver.addresses(&host.name).await.unwrap_or_default();
        servers.extend(addresses.into_iter().map(|ip| (host.name.clone(), ip)));
    }
    let own = sources(case.config, resolver).await;
    let own = own.into_iter().filter(|one| crate::world::is_here(*one)).map(Some);
    let mut own: Vec<Option<IpAddr>> = own.collect();
    if own.is_empty() {
        own.push(None);
    }
    let mut found = Vec::new();
    for from in own {
        found.push(leave(case, (name, &servers), from, world).await);
    }
    found
}

async fn leave(
    case: Case<'_>,
    (name, servers): (&str, &[(String, IpAddr)]),
    from: Option<IpAddr>,
    world: &World,
) -> Finding {
    let port = case.config.delivery.port;
    let subject = match from {
        Some(ip) => format!("from {ip} to {name}"),
        None => format!("to {name}"),
    };
    let fits = |ip: &IpAddr| from.is_none_or(|from| from.is_ipv4() == ip.is_ipv4());
    let mut last = "it has no server of this kind of address".to_owned();
    for (host, ip) in servers.iter().filter(|(_, ip)| fits(ip)).take(SERVERS_MAX) {
        let to = SocketAddr::new(*ip, port);
        match connect(world, to, from).await {
            Err(why) => last = format!("{host} [{to}]: {why}"),
            Ok(stream) => {
                let mut talk = Conversation::new(stream);
                match greeted(&mut talk).await {
                    Err(why) => last = format!("{host} [{to}]: {why}"),
                    Ok(text) => {
                        let _ = talk.ask("QUIT").await;
                        return Finding::ok(AREA, subject, format!("{host} {text}"));
                    }
                }
            }
        }
    }
    let advice = format!(
        "see that outgoing connections to port {port} are open: many providers of machines block them until \
         they are asked, and so may a firewall here"
    );
    Finding::bad(AREA, subject, last, advice)
}
