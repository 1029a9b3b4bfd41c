//! Every change of accounts and of what people want is an entry of the audit chain, in the name of
//! whoever made it.

use super::tests::{evidence, rig, someone};
use super::{ConsentState, ListedConsent, ListedStop, Policy, Recall, Subject};
use crate::accounts::{
    Accounts, CredentialDraft, DkimChoice, HostUse, Language, NewHost, StreamDraft, StreamKind,
};
use crate::events::audit::{Audit, Entry, Filter, Words};
use crate::events::record::{Reason, Scope, Source};
use crate::events::{Act, Actor};
use crate::mail::{AccountId, Domain, Timestamp};

/// The kinds of all entries, oldest first, with their actors.
fn told(policy: &Policy) -> Vec<(String, String)> {
    let chain = Audit::new(policy.store.clone());
    let page = chain.entries(&Filter::default(), None, 1000).expect("store");
    let said = |entry: &Entry| match &entry.words {
        Words::Said(said) => (said.kind.clone(), said.by.to_string()),
        other => unreachable!("{other:?}"),
    };
    page.entries.iter().rev().map(said).collect()
}

/// The kinds of the entries since `count`, which must all be by the actor.
fn since(policy: &Policy, count: usize, actor: &str) -> Vec<String> {
    let told = told(policy).split_off(count);
    assert!(told.iter().all(|(_, by)| by == actor), "{told:?}");
    told.into_iter().map(|(kind, _)| kind).collect()
}

async fn change_everything(accounts: &Accounts, account: AccountId) {
    accounts.set_language("acme", Language::De).await.expect("language");
    let draft = StreamDraft::named("bills", StreamKind::Transactional);
    accounts.add_stream(account, draft).await.expect("stream");
    accounts.set_rules(account, "bills", |rules| rules.ad_label = true).await.expect("rules");
    accounts.change_answers(account, "bills", |a| a.silent = true).await.expect("answers");
    accounts.remove_stream(account, "bills").await.expect("removed");
    let made = accounts.add_credential(account, CredentialDraft::named("app")).await;
    let (_, password) = made.expect("credential");
    accounts.remove_credential(account, "app").await.expect("revoked");
    let domain = Domain::parse("acme.example").expect("a domain");
    accounts.add_domain(account, &domain, true, DkimChoice::None, &[]).await.expect("domain");
    let host = NewHost(HostUse::Links, Some(Domain::parse("link.acme.example").expect("a host")));
    accounts.set_hosts(account, &domain, vec![host]).await.expect("hosts");
    accounts.rotate_keys(account, &domain, DkimChoice::Ed25519).await.expect("keys");
    accounts.remove_domain(account, &domain).await.expect("removed");
    accounts.write_act(Act::new(account, "queue.held")).await.expect("act");
    assert!(!password.is_empty());
}

#[tokio::test]
async fn whatever_the_operator_changes_of_an_account_is_an_entry_in_the_operators_name() {
    let home = tempfile::tempdir().expect("a folder");
    let (accounts, policy, stream) = rig(home.path()).await;
    let before = told(&policy);
    let kinds: Vec<_> = before.iter().map(|(kind, by)| (kind.as_str(), by.as_str())).collect();
    assert_eq!(kinds, [("account.added", "relent"), ("stream.added", "relent")]);
    change_everything(&accounts.by(Actor::operator(Some("root".into()))), stream.account).await;
    assert_eq!(
        since(&policy, before.len(), "operator:root"),
        [
            "account.changed",
            "stream.added",
            "stream.changed",
            "stream.changed",
            "stream.removed",
            "credential.added",
            "credential.removed",
            "domain.added",
            "domain.changed",
            "domain.keys_made",
            "domain.removed",
            "queue.held",
        ]
    );
    // What was refused left nothing.
    assert!(accounts.remove_stream(stream.account, "bills").await.is_err());
    assert_eq!(told(&policy).len(), before.len() + 12);
}

#[tokio::test]
async fn a_stop_is_the_persons_act_or_whoever_brought_it_and_its_history_names_the_entry() {
    let home = tempfile::tempdir().expect("a folder");
    let (_, policy, stream) = rig(home.path()).await;
    let him = || Subject::Address(someone());
    let (account, scope) = (stream.account, Scope::Account);
    let count = told(&policy).len();
    let stop = policy.suppress(account, him(), scope, Reason::OptOut, evidence(Source::OneClick));
    let (event, _) = stop.await.expect("store");
    assert_eq!(since(&policy, count, "person:one_click"), ["suppression.made"]);
    // What stands is confirmed, and nothing is written.
    let again = policy.suppress(account, him(), scope, Reason::OptOut, evidence(Source::OneClick));
    again.await.expect("store");
    assert!(policy.undo(event, evidence(Source::Page)).await.expect("store"));
    assert_eq!(since(&policy, count + 1, "person:page"), ["suppression.lifted"]);
    let entries = policy.entries(account, &him(), 9).expect("store");
    let history = policy.history(account, &him(), 9).expect("store");
    let events: Vec<_> = history.iter().map(|event| event.sequence).collect();
    assert_eq!(entries.iter().map(|(event, _)| *event).collect::<Vec<_>>(), events);
    let chain = Audit::new(policy.store.clone());
    for (event, entry) in entries {
        let Some(Entry { words: Words::Said(said), .. }) = chain.entry(entry).expect("store")
        else {
            unreachable!("entry {entry} is not there");
        };
        assert_eq!((said.event, said.account), (Some(event), account));
        let hash = policy.accounts.hash(account, &someone()).expect("hash");
        assert_eq!(said.recipient, Some(hash.to_string()));
        assert_eq!(said.details["text"], "what was said");
    }
    let count = told(&policy).len();
    let by = policy.by(Actor::Credential { account, name: "app".into() });
    let evidence = || evidence(Source::Api);
    let manual = Reason::Manual;
    by.suppress(account, him(), scope, manual, evidence()).await.expect("store");
    assert!(by.lift(account, him(), scope, manual, evidence()).await.expect("store"));
    by.grant(&stream, &someone(), Timestamp(5), evidence()).await.expect("store");
    by.withdraw(&stream, &someone(), Timestamp(6), evidence()).await.expect("store");
    let listed = ListedStop {
        subject: him(),
        scope,
        reason: Reason::HardBounce,
        at: None,
        evidence: evidence(),
    };
    by.suppress_all(account, vec![listed]).await.expect("store");
    let since_ever = Recall { since: Some(Timestamp(0)), ..Recall::default() };
    let recalled = by.recall(account, &since_ever, None, Some(evidence())).await;
    assert_eq!(recalled.expect("store").count, 1);
    let agreed = ListedConsent {
        address: crate::mail::Address::parse("ann@example.com").expect("an address"),
        state: ConsentState::Granted,
        at: None,
        evidence: evidence(),
        circumstances: crate::events::record::Circumstances::default(),
    };
    by.consent_all(&stream, vec![agreed]).await.expect("store");
    assert_eq!(
        since(&policy, count, "credential:app"),
        [
            "suppression.made",
            "suppression.lifted",
            "consent.granted",
            "consent.withdrawn",
            "suppression.made",
            "suppression.lifted",
            "consent.granted",
        ]
    );
}

#[tokio::test]
async fn entries_are_found_by_account_actor_kind_and_time_page_by_page() {
    let home = tempfile::tempdir().expect("a folder");
    let (accounts, policy, stream) = rig(home.path()).await;
    let operator = accounts.by(Actor::operator(Some("root".into())));
    for number in 0..1200 {
        let act = Act::new(AccountId(9), if number % 2 == 0 { "queue.held" } else { "site.held" });
        operator.write_act(act.with("number", number)).await.expect("store");
    }
    let chain = Audit::new(policy.store.clone());
    let all = |filter: &Filter| {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = chain.entries(filter, before, 7).expect("store");
            found.extend(page.entries.into_iter().map(|entry| entry.sequence));
            before = page.next;
            if before.is_none() {
                break found;
            }
        }
    };
    let everything = all(&Filter::default());
    assert_eq!(everything, (1..=1202).rev().collect::<Vec<_>>());
    let filter = |f: fn(&mut Filter)| {
        let mut filter = Filter::default();
        f(&mut filter);
        filter
    };
    assert_eq!(all(&filter(|f| f.kind = Some("queue".into()))).len(), 600);
    assert_eq!(all(&filter(|f| f.kind = Some("queue.held".into()))).len(), 600);
    assert_eq!(all(&filter(|f| f.kind = Some("queue.hel".into()))).len(), 0);
    assert_eq!(all(&filter(|f| f.actor = Some("operator:root".into()))).len(), 1200);
    assert_eq!(all(&filter(|f| f.actor = Some("relent".into()))).len(), 2);
    let own = Filter { account: Some(stream.account), ..Filter::default() };
    assert_eq!(all(&own), [2, 1]);
    let at = |sequence| chain.entry(sequence).expect("store").expect("an entry").link.at;
    let late = Filter { since: Some(at(1202)), ..Filter::default() };
    assert!(all(&late).contains(&1202) && all(&late).len() <= 1202);
    assert_eq!(all(&Filter { until: Some(at(1)), ..Filter::default() }), Vec::<u64>::new());
}
