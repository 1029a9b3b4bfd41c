//! Programs that are told what happens: signed, in order for each recipient, at least once, whatever their
//! endpoints do; and never through an address that is not theirs to name.

mod addresses;
mod examples;
mod failures;
mod limits;
mod order;
mod telling;

use crate::support::World;
use crate::support::client::{Client, letter};
use crate::support::endpoint::{Endpoint, Told};

/// Settings under which nothing takes long, but that a busy machine has time to answer a call.
const HASTE: &str = "[webhooks]\nallow_private = true\nallow_plaintext = true\n\
    events_delay = \"5ms\"\nchanges_interval = \"20ms\"\nsave_interval = \"20ms\"\n";
/// Pauses as short.
const PAUSES: &str = "retry_delays = [\"50ms\"]\n";

/// A world and an endpoint.
struct Lab {
    world: World,
    endpoint: Endpoint,
    secret: String,
    id: String,
}

impl Lab {
    /// With a webhook that is told everything.
    async fn start(more: &str) -> Self {
        let world = World::with(&format!("{HASTE}{more}")).await;
        let endpoint = Endpoint::start().await;
        let (id, secret) = add(&world, &[&endpoint.url()]);
        Self { world, endpoint, secret, id }
    }

    fn show(&self) -> serde_json::Value {
        self.world.done(&["webhook", "show", "acme", &self.id, "--json"]).json()
    }

    /// Waits until what is shown of the webhook fulfils something.
    fn shows(&self, what: &str, is: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        loop {
            let shown = self.show();
            if is(&shown) {
                return shown;
            }
            assert!(std::time::Instant::now() < deadline, "{what} was never shown: {shown:#}");
            std::thread::yield_now();
        }
    }

    /// Waits until the log says something.
    fn logs(&self, words: &str) {
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        while !self.world.log().contains(words) {
            assert!(std::time::Instant::now() < deadline, "no `{words}`: {}", self.world.log());
            std::thread::yield_now();
        }
    }
}

/// Makes a webhook of acme's: its number and its secret.
fn add(world: &World, rest: &[&str]) -> (String, String) {
    let made = world.done(&[&["webhook", "add", "acme", "--json"], rest].concat()).json();
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    (made["id"].to_string(), secret)
}

/// Sends one transactional message to each of these.
fn send(world: &World, to: &[&str]) {
    let mut client = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    for to in to {
        let reply = client.submit("news@acme.example", &[to], &letter("Your receipt"));
        assert!(reply.starts_with("250"), "{reply}");
    }
}

/// Both events of a message that is delivered, however often a call was made that came too late.
fn both(to: &str) -> impl Fn(&[Told]) -> bool {
    move |told| {
        let taken = about(told, to);
        ["message.accepted", "message.delivered"]
            .iter()
            .all(|kind| taken.iter().any(|one| one == kind))
    }
}

/// What was told of a recipient, in the order in which it was taken.
fn about(told: &[Told], to: &str) -> Vec<String> {
    let taken = told.iter().filter(|told| told.is_taken && told.to() == to);
    taken.map(|told| told.kind().to_owned()).collect()
}
