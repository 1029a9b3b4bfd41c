//! Who may send what as whom, over a real store.

use super::{
    Account, AccountFault, Accounts, CredentialDraft, DkimAlgorithm, DkimChoice, KeyStage, Ours,
    SendingDomain, Stream, StreamDraft, StreamKind, Wanted,
};
use crate::config;
use crate::dns::{HickoryResolver, NameServer, Rdata};
use crate::mail::{AccountId, Address, Domain};
use crate::store::Store;
use crate::world::World;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::{DkimSigner, Signature};
use mail_auth::{
    AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The records that were published, in place of name servers.
#[derive(Default)]
struct Zone(Mutex<HashMap<Box<str>, Txt>>);

impl ResolverCache<Box<str>, Txt> for Zone {
    fn get<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.lock().expect("the zone").get(name).cloned()
    }
    fn remove<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.lock().expect("the zone").remove(name)
    }
    fn insert(&self, key: Box<str>, value: Txt, _: Instant) {
        self.0.lock().expect("the zone").insert(key, value);
    }
}

fn rig(home: &Path) -> Accounts {
    let world = World::real();
    let store = Store::open(home, &config::Store::default(), &world);
    Accounts::new(store, world)
}

fn ours(reply_domain: &str) -> Ours {
    Ours {
        hostname: "relay.example".into(),
        reply_domain: reply_domain.into(),
        page_host: "pages.example".into(),
        sources: Vec::new(),
    }
}

async fn stream(accounts: &Accounts, account: &Account, name: &str) -> Stream {
    let draft = StreamDraft::named(name, StreamKind::Marketing);
    accounts.add_stream(account.id, draft).await.expect("stream")
}

/// The stream a login is given: the outer is none where it is refused.
fn login(accounts: &Accounts, user: &str, password: &str) -> Option<Option<String>> {
    let login = accounts.authenticate(user, password.as_bytes(), HERE);
    login.expect("store").map(|login| login.stream.map(|stream| stream.name.clone()))
}

#[tokio::test]
async fn a_login_names_its_stream_and_nothing_of_others() {
    let home = tempfile::tempdir().expect("a folder");
    let accounts = rig(home.path());
    let acme = accounts.add_account("acme").await.expect("account");
    let other = accounts.add_account("other").await.expect("account");
    let made = accounts.add_credential(acme.id, CredentialDraft::named("app"));
    let (_, password) = made.await.expect("credential");
    assert_eq!(login(&accounts, "app", &password), Some(None));
    let news = stream(&accounts, &acme, "news").await;
    stream(&accounts, &acme, "offers").await;
    stream(&accounts, &other, "theirs").await;
    let named = |name: &str| Some(Some(name.to_owned()));
    assert_eq!(login(&accounts, "app", &password), named("news"));
    assert_eq!(login(&accounts, "app/offers", &password), named("offers"));
    for wrong in ["app/theirs", "app/none", "app/", "ap", "", "/", "app/news/x"] {
        assert_eq!(login(&accounts, wrong, &password), None, "{wrong}");
    }
    for wrong in ["", "x", &password[1..], &password.to_uppercase()] {
        assert_eq!(login(&accounts, "app", wrong), None);
        assert_eq!(login(&accounts, "app/news", wrong), None);
    }
    let unknown = accounts.authenticate("nobody", b"", HERE);
    assert!(unknown.expect("store").is_none());
    // A credential of one stream has that stream only.
    let draft = CredentialDraft { streams: vec![news.id], ..CredentialDraft::named("scoped") };
    let made = accounts.add_credential(acme.id, draft);
    let (_, scoped) = made.await.expect("credential");
    assert_eq!(login(&accounts, "scoped", &scoped), named("news"));
    assert_eq!(login(&accounts, "scoped/offers", &scoped), None);
    let held = accounts.authenticate("scoped", scoped.as_bytes(), HERE);
    let held = held.expect("store").expect("login");
    assert!(accounts.stream_for(&held, "offers").expect("store").is_none());
    assert!(accounts.stream_for(&held, "news").expect("store").is_some());
    accounts.remove_stream(acme.id, "news").await.expect("removed");
    assert_eq!(login(&accounts, "scoped", &scoped), None);
    // Removed, it is refused at once.
    assert!(!accounts.stands(&held).expect("store"), "its stream is gone");
    let app =
        accounts.authenticate("app", password.as_bytes(), HERE).expect("store").expect("login");
    assert!(accounts.stands(&app).expect("store"));
    let foreign = accounts.remove_credential(other.id, "app").await;
    assert!(matches!(foreign, Err(AccountFault::Unknown(_))));
    let removed = accounts.remove_credential(acme.id, "app").await;
    removed.expect("removed");
    assert!(!accounts.stands(&app).expect("store"));
    // Its name given to another is another credential.
    let made = accounts.add_credential(other.id, CredentialDraft::named("app")).await;
    assert_eq!(made.expect("credential").0.name, "app");
    assert!(!accounts.stands(&app).expect("store"));
    assert_eq!(login(&accounts, "app", &password), None);
}

#[tokio::test]
async fn a_name_that_another_account_has_is_made_longer() {
    let home = tempfile::tempdir().expect("a folder");
    let accounts = rig(home.path());
    let acme = accounts.add_account("acme").await.expect("account");
    let other = accounts.add_account("other").await.expect("account");
    let add = |account: AccountId| accounts.add_credential(account, CredentialDraft::named("app"));
    let (first, _) = add(acme.id).await.expect("credential");
    assert_eq!(first.name, "app");
    let (second, password) = add(other.id).await.expect("credential");
    assert_eq!(second.name, "other-app");
    let held = accounts.authenticate("other-app", password.as_bytes(), HERE);
    assert_eq!(held.expect("store").expect("login").account.id, other.id);
    assert!(matches!(add(acme.id).await, Err(AccountFault::Refused(_))));
    assert!(matches!(add(other.id).await, Err(AccountFault::Refused(_))));
}

#[tokio::test]
async fn both_keys_sign_so_that_the_published_records_verify() {
    let home = tempfile::tempdir().expect("a folder");
    let accounts = rig(home.path());
    let acme = accounts.add_account("acme").await.expect("account");
    let name = Domain::parse("acme.example").expect("domain");
    let made = accounts.add_domain(acme.id, &name, false, DkimChoice::Both, &[]);
    let domain = made.await.expect("domain");
    let records = domain.records(&ours("reply.example"));
    let mail = b"From: a@acme.example\r\nSubject: hello\r\nTo: b@example.com\r\n\r\nhello\r\n";
    let verifier = MessageAuthenticator::new_google().expect("it asks nobody yet");
    assert_eq!(domain.keys.len(), 2);
    for key in &domain.keys {
        let fields = ["From", "Subject", "To"];
        let signed = match key.algorithm {
            DkimAlgorithm::Rsa => {
                let der = PrivatePkcs8KeyDer::from(key.private.clone());
                let private = RsaKey::<Sha256>::from_key_der(PrivateKeyDer::Pkcs8(der));
                DkimSigner::from_key(private.expect("an RSA key"))
                    .domain(name.as_str())
                    .selector(&key.selector)
                    .headers(fields)
                    .sign(mail)
            }
            DkimAlgorithm::Ed25519 => {
                let private = Ed25519Key::from_pkcs8_der(&key.private);
                DkimSigner::from_key(private.expect("an Ed25519 key"))
                    .domain(name.as_str())
                    .selector(&key.selector)
                    .headers(fields)
                    .sign(mail)
            }
        };
        let signature: Signature = signed.expect("signed");
        let place = format!("{}._domainkey.acme.example", key.selector);
        let record = records.iter().find(|wanted| wanted.record.name == place);
        let published = DomainKey::parse(record.expect("a record").record.value.as_bytes());
        let zone = Zone::default();
        let published = Txt::from(published.expect("a key record"));
        zone.insert(format!("{place}.").into(), published, Instant::now());
        let mut whole = signature.to_header().into_bytes();
        whole.extend_from_slice(mail);
        let verdict = async |text: &[u8]| {
            let parsed = AuthenticatedMessage::parse(text).expect("a message");
            let asked = Parameters::new(&parsed).with_txt_cache(&zone);
            let found = verifier.verify_dkim(asked).await;
            found.len() == 1 && *found[0].result() == DkimResult::Pass
        };
        assert!(verdict(&whole).await, "{:?}", key.algorithm);
        let changed = String::from_utf8_lossy(&whole).replace("hello", "hallo");
        assert!(!verdict(changed.as_bytes()).await, "{:?}", key.algorithm);
    }
}

#[tokio::test]
async fn a_domain_tells_what_to_publish() {
    let home = tempfile::tempdir().expect("a folder");
    let accounts = rig(home.path());
    let acme = accounts.add_account("acme").await.expect("account");
    let name = Domain::parse("acme.example").expect("domain");
    let made = accounts.add_domain(acme.id, &name, false, DkimChoice::Ed25519, &[]);
    let domain = made.await.expect("domain");
    assert!(!domain.may_send());
    let records = domain.records(&ours("relay.example"));
    let value = |name: &str| {
        let found = records.iter().find(|wanted| wanted.record.name == name);
        found.map(|wanted| wanted.record.value.clone()).expect("a record")
    };
    assert!(value("_relent.acme.example").starts_with("relent="));
    assert_eq!(value("acme.example"), "v=spf1 a:relay.example ~all");
    assert!(value("_dmarc.acme.example").starts_with("v=DMARC1;"));
    let key = format!("{}._domainkey.acme.example", domain.keys[0].selector);
    assert!(value(&key).starts_with("v=DKIM1; k=ed25519; p="));
    assert!(records.iter().all(|wanted| wanted.record.kind == "TXT"));
    let again = accounts.add_domain(acme.id, &name, true, DkimChoice::None, &[]);
    assert!(matches!(again.await, Err(AccountFault::Refused(_))));
}

#[tokio::test]
async fn one_person_has_one_hash_in_an_account_and_another_in_the_next() {
    let home = tempfile::tempdir().expect("a folder");
    let accounts = rig(home.path());
    let acme = accounts.add_account("acme").await.expect("account");
    let other = accounts.add_account("other").await.expect("account");
    let hash = |account, text: &str| {
        let address = Address::parse(text).expect("address");
        accounts.hash(account, &address).expect("hash")
    };
    let one = hash(acme.id, "Pat.Doe+news@bücher.example");
    for same in [
        "pat.doe+news@bücher.example",
        "PAT.DOE+NEWS@BÜCHER.EXAMPLE",
        "pat.doe+news@xn--bcher-kva.example",
        "\"Pat.Doe+news\"@bücher.example",
    ] {
        assert_eq!(hash(acme.id, same), one, "{same}");
    }
    for different in
        ["patdoe+news@bücher.example", "pat.doe@bücher.example", "pat.doe+news@bucher.example"]
    {
        assert_ne!(hash(acme.id, different), one, "{different}");
    }
    assert_ne!(hash(other.id, "pat.doe+news@bücher.example"), one);
    let global = hash(AccountId::INSTALLATION, "pat.doe+news@bücher.example");
    assert_ne!(global, one);
    let domain = Domain::parse("BÜCHER.example").expect("domain");
    let whole = accounts.domain_hash(acme.id, &domain).expect("hash");
    let ascii = Domain::parse("xn--bcher-kva.example").expect("domain");
    assert_eq!(accounts.domain_hash(acme.id, &ascii).expect("hash"), whole);
}

#[tokio::test]
async fn old_keys_sign_until_new_ones_are_published_and_are_dropped_in_their_time() {
    let home = tempfile::tempdir().expect("a folder");
    let accounts = rig(home.path());
    let acme = accounts.add_account("acme").await.expect("account");
    let name = Domain::parse("acme.example").expect("domain");
    let made = accounts.add_domain(acme.id, &name, true, DkimChoice::Ed25519, &[]);
    let old = made.await.expect("domain").keys.remove(0);
    let rotated = accounts.rotate_keys(acme.id, &name, DkimChoice::Ed25519).await;
    let rotated = rotated.expect("new keys");
    let signing = |domain: &SendingDomain| -> Vec<String> {
        domain.signing_keys().map(|key| key.selector.clone()).collect()
    };
    assert_eq!(signing(&rotated), [old.selector.as_str()]);
    let ours = ours("reply.example");
    let look = async |published: &[Wanted]| {
        let records: Vec<_> = published
            .iter()
            .map(|wanted| (wanted.record.name.clone(), Rdata::Txt(wanted.record.value.clone())))
            .collect();
        let server = NameServer::start(([127, 0, 0, 1], 0).into(), &records).expect("a port");
        let settings = server.settings();
        let resolver = HickoryResolver::new(&settings).expect("a resolver");
        let kept = Duration::ZERO;
        let looked = accounts.verify_domain(&*resolver, &ours, kept, acme.id, &name).await;
        looked.expect("a look").rotated
    };
    let all = rotated.records(&ours);
    let few: Vec<_> =
        all.iter().filter(|w| w.record.value != all[2].record.value).cloned().collect();
    assert!(!look(&few).await, "the new key is not published");
    let kept = || accounts.domain(acme.id, &name).expect("store").expect("the domain");
    assert_eq!(signing(&kept()), [old.selector.as_str()]);
    assert!(look(&all).await);
    let now = kept();
    assert_eq!(signing(&now), [rotated.keys[1].selector.as_str()]);
    assert!(matches!(now.keys[0].stage, KeyStage::Retired { .. }));
    assert!(now.keys[0].private.is_empty(), "what signs no more is no secret to keep");
    let again = accounts.rotate_keys(acme.id, &name, DkimChoice::Rsa).await.expect("new keys");
    assert!(again.keys.iter().all(|key| key.selector != old.selector), "its time is over");
    assert_eq!(again.keys.len(), 2);
    let none = accounts.rotate_keys(acme.id, &name, DkimChoice::None).await;
    assert!(matches!(none, Err(AccountFault::Refused(_))));
}

#[tokio::test]
async fn all_domains_that_wait_are_looked_at_however_many_there_are() {
    const COUNT: u64 = 11;
    let home = tempfile::tempdir().expect("a folder");
    let accounts = rig(home.path());
    let acme = accounts.add_account("acme").await.expect("account");
    let (ours, mut records) = (ours("reply.example"), Vec::new());
    for number in 0..COUNT {
        let name = Domain::parse(&format!("d{number}.example")).expect("domain");
        let made = accounts.add_domain(acme.id, &name, true, DkimChoice::Ed25519, &[]);
        made.await.expect("domain");
        let rotated = accounts.rotate_keys(acme.id, &name, DkimChoice::Ed25519).await;
        let wanted = rotated.expect("new keys").records(&ours).into_iter();
        records.extend(wanted.map(|one| (one.record.name, Rdata::Txt(one.record.value))));
    }
    let server = NameServer::start(([127, 0, 0, 1], 0).into(), &records).expect("a port");
    let settings = server.settings();
    let resolver = HickoryResolver::new(&settings).expect("a resolver");
    let looked = accounts.look_after_domains(&*resolver, &ours, Duration::ZERO).await;
    assert_eq!(looked.expect("a round"), COUNT);
    let looked = accounts.look_after_domains(&*resolver, &ours, Duration::ZERO).await;
    assert_eq!(looked.expect("a round"), 0, "none waits any more");
}
