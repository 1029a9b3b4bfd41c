//! User names: nobody learns from the relay which are known, and guesses lock out the guesser alone.

use crate::support::World;
use crate::support::client::Client;
use data_encoding::BASE64;
use std::time::{Duration, Instant};

/// Tries of each kind, in turn.
const TRIES: usize = 1000;
/// Past this the two samples would differ once in a hundred runs though they came from one source
/// (Kolmogorov-Smirnov): c(0.01) * sqrt(2 / n).
const DISTANCE_MAX: f64 = 0.073;

fn guess(user: &str) -> String {
    let secret = BASE64.encode(format!("\0{user}\0not-the-password").as_bytes());
    format!("AUTH PLAIN {secret}")
}

/// The greatest distance between the distributions of two samples of one size.
fn distance(one: &mut [Duration], other: &mut [Duration]) -> f64 {
    one.sort_unstable();
    other.sort_unstable();
    let count = one.len();
    let (mut i, mut j, mut most) = (0_usize, 0_usize, 0_usize);
    while i < count && j < count {
        if one[i] <= other[j] {
            i += 1;
        } else {
            j += 1;
        }
        most = most.max(i.abs_diff(j));
    }
    most as f64 / count as f64
}

#[test]
fn the_distance_of_two_samples_tells_a_slower_one() {
    let sample =
        |more| (0..TRIES as u64).map(move |n| Duration::from_nanos(n * 7919 % 1000 + more));
    let (mut one, mut same): (Vec<_>, Vec<_>) = (sample(0).collect(), sample(0).collect());
    let mut slower: Vec<_> = sample(300).collect();
    assert!(distance(&mut one, &mut same) < DISTANCE_MAX);
    assert!(distance(&mut one, &mut slower) > DISTANCE_MAX);
}

/// Asks about a name that is known and one that is not, in turn, and says how far apart the times of the
/// answers are. One pair of samples in a hundred is unlucky by chance, and a busy machine makes more:
/// not five in a row.
fn cannot_be_told(mut ask: impl FnMut(bool)) {
    let mut distances = Vec::new();
    for _ in 0..5 {
        let mut times = [Vec::new(), Vec::new()];
        for turn in 0..TRIES {
            for is_known in [turn % 2 == 0, turn % 2 == 1] {
                let begun = Instant::now();
                ask(is_known);
                times[usize::from(is_known)].push(begun.elapsed());
            }
        }
        let [of_unknown, of_known] = &mut times;
        let far = distance(of_known, of_unknown);
        if far < DISTANCE_MAX {
            return;
        }
        distances.push(far);
    }
    panic!("a known name can be told by its time: {distances:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn known_and_unknown_names_take_the_same_time() {
    let mut world = World::start().await;
    assert_eq!(world.stop(), 0);
    let settings = std::fs::read_to_string(world.path("relent.toml")).expect("the settings");
    let ours = "[submission]\nauth_failures_max = 100000\nerrors_max = 100000\n\
                auth_failure_delay = \"1ms\"\n";
    std::fs::write(world.path("relent.toml"), settings.replace("[submission]\n", ours))
        .expect("settings");
    world.launch(&[]);
    let mut client = Client::connect(world.ports.submission[0]);
    client.say("EHLO client.example");
    let names = ["apq", "app"];
    cannot_be_told(|is_known| {
        let reply = client.say(&guess(names[usize::from(is_known)]));
        assert!(reply.starts_with("535 5.7.8"), "{reply}");
    });
    // SCRAM's challenge comes before any proof.
    cannot_be_told(|is_known| {
        let first = format!("n,,n={},r=fyko+d2lbbFgONRv9qkxdawL", names[usize::from(is_known)]);
        let first = BASE64.encode(first.as_bytes());
        let reply = client.say(&format!("AUTH SCRAM-SHA-256 {first}"));
        assert!(reply.starts_with("334 "), "{reply}");
        client.send(b"*\r\n");
        client.reply().expect("an answer to the cancellation");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_lock_out_an_address_and_a_name_and_nobody_else() {
    let world = World::start().await;
    world.done(&["credential", "add", "acme", "--name", "other"]);
    let mut replies = Vec::new();
    while replies.len() < 21 {
        let mut client = Client::connect(world.ports.submission[0]);
        client.say("EHLO client.example");
        for _ in 0..10 {
            replies.push(client.say(&guess("app")));
        }
    }
    assert!(replies[..20].iter().all(|reply| reply.starts_with("535 5.7.8")), "{replies:?}");
    assert!(replies[20..].iter().all(|reply| reply.starts_with("454 4.7.0")), "{replies:?}");
    let mut client = Client::connect(world.ports.submission[0]);
    client.say("EHLO client.example");
    // Whoever knows the password is locked out here too, and nobody is told whether it was right.
    let right = BASE64.encode(format!("\0app\0{}", world.password).as_bytes());
    assert!(client.say(&format!("AUTH PLAIN {right}")).starts_with("454 4.7.0"));
    assert!(client.say(&guess("other")).starts_with("535"), "another name is not locked out");
    // Nor is the name, from another address.
    let local = std::net::SocketAddr::from(([127, 0, 0, 9], 0));
    let mut client = Client::connect_from(local, world.ports.submission[0]);
    client.say("EHLO client.example");
    assert!(client.say(&format!("AUTH PLAIN {right}")).starts_with("235"));
}
